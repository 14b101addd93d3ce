/** What is asked for beside a token's figures: who holds it, and how it was traded. Asked again when it is traded. */

import { type HolderPage, type TokenHolder, type TokensApi, type VolumeDistribution } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { inWords } from "./actions.ts";
import { Asked } from "./asked.ts";
import { coalesce } from "./coalesce.ts";

/** After a trade so long, ms: many trades cost one question. */
const AFTER = 4_000;
/** Without one, ms. */
const EVERY = 60_000;
export const FIRST_HOLDERS = 10;
const MORE_HOLDERS = 50;

/** A question that is asked again after trades, and every minute. */
class Refreshed<T> extends Asked<T> {
  private readonly later = coalesce(AFTER, () => void this.load());
  private readonly ticking = setInterval(() => {
    if (!document.hidden) void this.load();
  }, EVERY);

  constructor(ask: (signal: AbortSignal) => Promise<T>) {
    super(ask);
    void this.load();
  }

  /** The token was traded. */
  traded(): void {
    this.later();
  }

  override stop(): void {
    super.stop();
    this.later.cancel();
    clearInterval(this.ticking);
  }
}

export class Holders {
  readonly first: Refreshed<HolderPage>;
  private readonly shownRest = signal<readonly TokenHolder[]>([]);
  private readonly shownMore = signal<"idle" | "loading" | "end" | "error">("idle");
  private readonly shownProblem = signal<string | null>(null);
  private next: string | null = null;
  private readonly abort = new AbortController();

  constructor(
    private readonly api: Pick<TokensApi, "holders">,
    private readonly address: string,
  ) {
    this.first = new Refreshed((signal) => api.holders(address, { limit: FIRST_HOLDERS, signal }));
  }

  /** Those after the first page, as they were when they were asked for. */
  get rest(): ReadonlySignal<readonly TokenHolder[]> {
    return this.shownRest;
  }

  get more(): ReadonlySignal<"idle" | "loading" | "end" | "error"> {
    return this.shownMore;
  }

  get problem(): ReadonlySignal<string | null> {
    return this.shownProblem;
  }

  /** The first page and what was asked for beyond it, each address once. */
  get all(): readonly TokenHolder[] {
    const first = this.first.value.value?.holders ?? [];
    const known = new Set(first.map(({ address }) => address));
    return [...first, ...this.shownRest.value.filter(({ address }) => !known.has(address))];
  }

  async loadMore(): Promise<void> {
    const cursor = this.shownRest.peek().length > 0 ? this.next : (this.first.value.peek()?.next ?? null);
    if (cursor === null || this.shownMore.peek() === "loading") return;
    this.shownMore.value = "loading";
    try {
      const page = await this.api.holders(this.address, { limit: MORE_HOLDERS, cursor, signal: this.abort.signal });
      this.next = page.next;
      this.shownRest.value = [...this.shownRest.peek(), ...page.holders];
      this.shownMore.value = page.next === null ? "end" : "idle";
    } catch (error) {
      if (this.abort.signal.aborted) return;
      this.shownProblem.value = inWords(error);
      this.shownMore.value = "error";
    }
  }

  stop(): void {
    this.abort.abort();
    this.first.stop();
  }
}

export class Spread {
  readonly window = signal<"24h" | "7d">("24h");
  readonly answer: Refreshed<VolumeDistribution>;

  constructor(api: Pick<TokensApi, "distribution">, address: string) {
    this.answer = new Refreshed((signal) => api.distribution(address, this.window.peek(), { signal }));
  }

  choose(window: "24h" | "7d"): void {
    this.window.value = window;
    void this.answer.load();
  }

  stop(): void {
    this.answer.stop();
  }
}
