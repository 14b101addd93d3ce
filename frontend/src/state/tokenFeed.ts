/** All tokens that the server lists: asked for, the busiest kept live by the hub. */

import { ApiError, type Connection, type Token, type TokensApi, type TokenWindow, type TopTokens } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Phase } from "./barFeed.ts";

/** A list that nobody has asked for again for so long is forgotten, ms. */
const FORGET = 180_000;
/** The rest of the list is asked for this often, ms; everything, where the hub says nothing. */
const RELIST = 30_000;
const SILENCE = 10_000;
/** The longest list that can be had. */
const LIMIT = 500;
/** A move is shown for so long, ms. */
const MOVED = 900;

export interface Move {
  readonly direction: "up" | "down";
  readonly at: number;
}

interface Heard {
  readonly at: number;
  /** Counts what was asked and what was told: an answer is as old as its question. */
  readonly turn: number;
  readonly tokens: readonly Token[];
}

export class TokenFeed {
  private readonly shownPhase = signal<Phase>({ kind: "loading" });
  private readonly shownTokens = signal<readonly Token[]>([]);
  private readonly shownNow = signal(Date.now());
  private readonly shownCut = signal(false);
  private readonly lists = new Map<TokenWindow | "pushed" | "found", Heard>();
  private readonly moves = new Map<string, Move>();
  private readonly abort = new AbortController();
  private readonly stops: (() => void)[];
  private window: TokenWindow;
  private askedAt = 0;
  private heardAt = 0;
  private turn = 0;
  private asking = 0;

  constructor(
    connection: Pick<Connection, "subscribe">,
    private readonly api: Pick<TokensApi, "top">,
    window: TokenWindow,
  ) {
    this.window = window;
    const pushed = (top: TopTokens | null): void => {
      if (!top) return;
      this.heardAt = Date.now();
      this.take(top.tokens);
    };
    const ticking = setInterval(() => this.tick(), 1_000);
    this.stops = [() => clearInterval(ticking), connection.subscribe("tokens:top", pushed, pushed)];
    void this.load();
  }

  get phase(): ReadonlySignal<Phase> {
    return this.shownPhase;
  }

  /** In no order; a new array with every change. */
  get tokens(): ReadonlySignal<readonly Token[]> {
    return this.shownTokens;
  }

  /** The time in ms, every second. */
  get now(): ReadonlySignal<number> {
    return this.shownNow;
  }

  /** Pushed by the hub of late, not only asked for. */
  get isPushed(): boolean {
    return this.shownNow.value - this.heardAt < SILENCE;
  }

  /** There may be tokens that are in none of the lists: one of them is as long as a list can be. */
  get isCut(): ReadonlySignal<boolean> {
    return this.shownCut;
  }

  /** The last move of a token's price, while it is fresh. */
  moveOf(address: string): Move | null {
    const move = this.moves.get(address);
    return move && Date.now() - move.at < MOVED ? move : null;
  }

  /** Ask for the list that begins with what is wanted first. */
  want(window: TokenWindow): void {
    if (window === this.window) return;
    this.window = window;
    void this.load();
  }

  /** Begin a question of one's own. Its answer is added to the lists, in place of what was added before. */
  adding(): (tokens: readonly Token[]) => void {
    const turn = (this.turn += 1);
    return (tokens) => {
      this.lists.set("found", { at: Date.now(), turn, tokens });
      this.changed();
    };
  }

  /** Forget what was added. */
  drop(): void {
    if (this.lists.delete("found")) this.changed();
  }

  /** Ask for the lists now; also what a retry does. The newest are in no other list until they are traded. */
  async load(): Promise<void> {
    const { signal } = this.abort;
    const turn = (this.asking = this.turn += 1);
    this.askedAt = Date.now();
    if (this.shownPhase.value.kind === "error") this.shownPhase.value = { kind: "loading" };
    const wanted = new Set<TokenWindow>([this.window, "new"]);
    try {
      const lists = await Promise.all([...wanted].map((window) => this.api.top(window, { limit: LIMIT, signal })));
      if (turn !== this.asking) return;
      for (const { window, tokens } of lists) this.lists.set(window, { at: Date.now(), turn, tokens });
      this.show();
    } catch (error) {
      if (signal.aborted || turn !== this.asking) return;
      const message = error instanceof ApiError ? error.message : "Something unexpected went wrong.";
      // What is listed stays.
      if (this.shownTokens.peek().length === 0) this.shownPhase.value = { kind: "error", message };
    }
  }

  stop(): void {
    this.abort.abort();
    for (const stop of this.stops) stop();
  }

  private take(tokens: readonly Token[]): void {
    this.lists.set("pushed", { at: Date.now(), turn: (this.turn += 1), tokens });
    this.changed();
  }

  /** The busiest alone are not the list. */
  private changed(): void {
    if (this.shownPhase.peek().kind !== "loading") this.show();
  }

  private show(): void {
    const now = Date.now();
    const before = new Map(this.shownTokens.peek().map((token) => [token.address, token]));
    const known = new Map<string, Token>();
    const lists = [...this.lists].sort(([, a], [, b]) => a.turn - b.turn);
    for (const [name, { at, tokens }] of lists) {
      if (now - at > FORGET) this.lists.delete(name);
      else for (const token of tokens) known.set(token.address, token);
    }
    for (const { address, currentPrice } of known.values()) {
      const moved = Number(currentPrice ?? NaN) - Number(before.get(address)?.currentPrice ?? NaN);
      if (moved !== 0 && !Number.isNaN(moved)) this.moves.set(address, { direction: moved > 0 ? "up" : "down", at: now });
    }
    for (const [address, { at }] of this.moves) if (now - at >= MOVED) this.moves.delete(address);
    this.shownCut.value = lists.some(([, { tokens }]) => tokens.length >= LIMIT);
    this.shownTokens.value = [...known.values()];
    this.shownPhase.value = { kind: known.size > 0 ? "ready" : "empty" };
  }

  private tick(): void {
    const now = Date.now();
    this.shownNow.value = now;
    const every = now - this.heardAt < SILENCE ? RELIST : SILENCE;
    if (now - this.askedAt >= every && !document.hidden) void this.load();
  }
}
