/** The list as it stands on the screen: filtered, sorted, and still while somebody points at it. */

import { effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Row } from "./board.ts";
import type { MarketsFeed } from "./markets.ts";
import { type Column, type Filter, firstSort, ordered, type Sort } from "./order.ts";

/** Rows change places at most this often, ms: prices move every second, and nobody can read a list that does. */
const SETTLE = 3_000;
const EVERYTHING: Filter = { query: "", quote: "", recorded: false };

export class Ranking {
  readonly filter: ReadonlySignal<Filter>;
  readonly sort: ReadonlySignal<Sort>;
  readonly rows: ReadonlySignal<readonly Row[]>;
  /** The symbol that the keyboard is at; null before that. */
  readonly active: Signal<string | null> = signal(null);
  /** How far the list was scrolled when it was last on the screen, px. */
  scrollTop = 0;
  private readonly chosen = signal(EVERYTHING);
  private readonly chosenSort = signal(firstSort("volume"));
  private readonly shown = signal<readonly Row[]>([]);
  private readonly holding = signal(false);
  private readonly reasons = new Set<string>();
  private rankedAt = 0;
  private lastListed = -1;
  private readonly end: () => void;

  constructor(private readonly feed: MarketsFeed) {
    this.filter = this.chosen;
    this.sort = this.chosenSort;
    this.rows = this.shown;
    this.end = effect(() => {
      void feed.revision.value;
      this.follow(feed.listed.value);
    });
  }

  /** Whether the order is being kept, because somebody points at a row. */
  get held(): ReadonlySignal<boolean> {
    return this.holding;
  }

  /** Keep the order for as long as there is a reason to. */
  hold(reason: "pointer" | "keys" | "scroll", on: boolean): void {
    if (on) this.reasons.add(reason);
    else this.reasons.delete(reason);
    this.holding.value = this.reasons.size > 0;
  }

  /** Nobody looks at the list any more. */
  release(): void {
    this.reasons.clear();
    this.holding.value = false;
  }

  select(change: Partial<Filter>): void {
    this.chosen.value = { ...this.chosen.peek(), ...change };
    this.rank();
  }

  /** Show everything again. */
  clear(): void {
    this.select(EVERYTHING);
  }

  /** Sort by a column, or the other way round if that is how it is sorted. */
  sortBy(by: Column): void {
    const now = this.chosenSort.peek();
    this.chosenSort.value = now.by === by ? { by, descending: !now.descending } : firstSort(by);
    this.rank();
  }

  stop(): void {
    this.end();
  }

  private follow(listed: number): void {
    const relisted = listed !== this.lastListed;
    this.lastListed = listed;
    if (this.holding.peek()) {
      const rows = this.shown.peek();
      if (relisted && !rows.every((row) => this.feed.board.has(row))) this.shown.value = rows.filter((row) => this.feed.board.has(row));
      return;
    }
    if (relisted || Date.now() - this.rankedAt >= SETTLE) this.rank();
  }

  private rank(): void {
    this.rankedAt = Date.now();
    this.shown.value = ordered(this.feed.board, this.chosen.peek(), this.chosenSort.peek());
  }
}
