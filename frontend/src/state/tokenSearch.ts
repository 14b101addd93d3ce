/** What is typed, looked for among all tokens: asked of the server once the typing pauses, the newest question counts. */

import type { TokensApi } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { inWords } from "./actions.ts";
import type { TokenFeed } from "./tokenFeed.ts";

/** A pause in the typing, ms. */
const PAUSE = 200;
/** What is still on the screen is asked for again this often, ms. */
const AGAIN = 30_000;
/** So many can be had at once. */
const LIMIT = 50;
/** Longer than anything that the server searches. */
const LONGEST = 64;

export type Search =
  | { readonly kind: "idle" }
  | { readonly kind: "asking" }
  /** `more`: as many as can be had, there may be others. */
  | { readonly kind: "found"; readonly more: boolean }
  | { readonly kind: "failed"; readonly message: string };

const IDLE: Search = { kind: "idle" };

export class TokenSearch {
  private readonly shown = signal<Search>(IDLE);
  private question = "";
  private abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `onFound` is told when a question has its first answer. */
  constructor(
    private readonly api: Pick<TokensApi, "search">,
    private readonly feed: Pick<TokenFeed, "adding" | "drop">,
    private readonly onFound: () => void,
  ) {}

  get state(): ReadonlySignal<Search> {
    return this.shown;
  }

  /** Ask for what was typed, unless that is what was asked for last; "" asks for nothing, and forgets what was found. */
  want(typed: string): void {
    const question = questionIn(typed);
    if (question === this.question) return;
    this.question = question;
    this.abort.abort();
    clearTimeout(this.timer);
    if (question === "") {
      this.shown.value = IDLE;
      this.feed.drop();
    } else {
      // What was found before stays meanwhile: of a longer question's answers most are among it.
      this.shown.value = { kind: "asking" };
      this.timer = setTimeout(() => void this.ask(), PAUSE);
    }
  }

  /** Ask once more, after it has failed. */
  retry(): void {
    if (this.shown.peek().kind !== "failed") return;
    this.shown.value = { kind: "asking" };
    clearTimeout(this.timer);
    void this.ask();
  }

  stop(): void {
    this.question = "";
    this.abort.abort();
    clearTimeout(this.timer);
  }

  private async ask(): Promise<void> {
    const { signal } = (this.abort = new AbortController());
    const add = this.feed.adding();
    try {
      const { tokens } = await this.api.search(this.question, { limit: LIMIT, signal });
      if (signal.aborted) return;
      add(tokens);
      const first = this.shown.peek().kind !== "found";
      this.shown.value = { kind: "found", more: tokens.length >= LIMIT };
      if (first) this.onFound();
    } catch (error) {
      if (signal.aborted) return;
      // What was found stays.
      if (this.shown.peek().kind !== "found") this.shown.value = { kind: "failed", message: inWords(error) };
    }
    this.timer = setTimeout(() => this.askAgain(), AGAIN);
  }

  private askAgain(): void {
    if (document.hidden) this.timer = setTimeout(() => this.askAgain(), AGAIN);
    else void this.ask();
  }
}

/** What the server is asked: without the sign that symbols are written with, "" for what it would refuse. */
function questionIn(typed: string): string {
  const text = typed.trim().replace(/^\$\s*(?=.)/, "");
  return [...text].length > LONGEST || /\p{Cc}/u.test(text) ? "" : text;
}
