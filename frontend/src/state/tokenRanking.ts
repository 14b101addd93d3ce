/** The list of tokens as it stands on the screen: filtered, sorted, and still while somebody points at it. */

import type { Token } from "@openoutcry/client";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { firstTokenSort, orderedTokens, type TokenColumn, type TokenSort } from "./tokenOrder.ts";

/** Rows change places at most this often, ms. */
const SETTLE = 3_000;

export class TokenRanking {
  private readonly shown = signal<readonly Token[]>([]);
  private readonly holding = signal(false);
  private readonly reasons = new Set<string>();
  private readonly end: () => void;
  private rankedAt = -Infinity;
  private query = "";
  private sort: TokenSort = firstTokenSort("volume24h");

  constructor(private readonly tokens: ReadonlySignal<readonly Token[]>) {
    this.end = effect(() => {
      void tokens.value;
      this.follow();
    });
  }

  get rows(): ReadonlySignal<readonly Token[]> {
    return this.shown;
  }

  /** Whether the order is being kept, because somebody points at a row. */
  get held(): ReadonlySignal<boolean> {
    return this.holding;
  }

  /** Keep the order for as long as there is a reason to. */
  hold(reason: "pointer" | "keys", on: boolean): void {
    if (on) this.reasons.add(reason);
    else this.reasons.delete(reason);
    this.holding.value = this.reasons.size > 0;
  }

  show(query: string, by: TokenColumn, descending: boolean): void {
    this.query = query;
    this.sort = { by, descending };
    this.rank();
  }

  /** Put everything in its place now: somebody has asked for what has come. */
  again(): void {
    this.rank();
  }

  stop(): void {
    this.end();
  }

  private follow(): void {
    const rows = this.shown.peek();
    const due = Date.now() - this.rankedAt >= SETTLE && this.reasons.size === 0;
    if (due || rows.length === 0) return this.rank();
    // The same places, with what is known now; who is gone is gone, who is new waits for the next order.
    const now = new Map(this.tokens.peek().map((token) => [token.address, token]));
    this.shown.value = rows.flatMap(({ address }) => now.get(address) ?? []);
  }

  private rank(): void {
    this.rankedAt = Date.now();
    this.shown.value = orderedTokens(this.tokens.peek(), this.query, this.sort);
  }
}
