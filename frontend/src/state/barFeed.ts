/** The candles of one chart, wherever they come from: loaded, drawn as they change, extended backwards on demand. */

import { ApiError } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { coalesce } from "./coalesce.ts";
import { type FetchBars, loadBefore } from "./history.ts";
import { floorTo, move } from "./intervals.ts";
import { both, type Change, Series } from "./series.ts";

export type Phase =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "empty" }
  | { readonly kind: "error"; readonly message: string };

export type Older = "more" | "loading" | "start" | "error";

const FIRST_PAGE = 600;
export const OLDER_PAGE = 1000;

export abstract class BarFeed {
  readonly series = new Series();
  protected readonly abort = new AbortController();
  protected readonly shownPhase = signal<Phase>({ kind: "loading" });
  protected readonly shownOlder = signal<Older>("more");
  private readonly shownRevision = signal(0);
  private pending: Change = { kind: "none" };
  private draw: ((change: Change) => void) | null = null;
  protected readonly flush = coalesce(50, () => this.flushNow());

  constructor(readonly interval: string) {}

  protected abstract readonly fetch: FetchBars;

  get phase(): ReadonlySignal<Phase> {
    return this.shownPhase;
  }

  /** Whether there is more history to the left. */
  get older(): ReadonlySignal<Older> {
    return this.shownOlder;
  }

  /** Counts up with every drawn change. */
  get revision(): ReadonlySignal<number> {
    return this.shownRevision;
  }

  /** Let `draw` follow the series, beginning with everything. The answer ends it. */
  follow(draw: (change: Change) => void): () => void {
    this.draw = draw;
    draw({ kind: "all" });
    return () => {
      if (this.draw === draw) this.draw = null;
    };
  }

  /** Load the newest candles; also what a retry does. */
  async load(): Promise<void> {
    this.shownPhase.value = { kind: "loading" };
    try {
      const { bars } = await loadBefore(this.fetch, this.interval, this.afterNow(), FIRST_PAGE);
      this.merge(this.series.mergePage(bars));
      this.shownPhase.value = { kind: this.series.bars.length > 0 ? "ready" : "empty" };
      this.flushNow();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Load a page of older candles, unless one is on its way or there are none. */
  async loadOlder(): Promise<void> {
    const first = this.series.bars[0];
    if (!first || this.shownPhase.value.kind !== "ready") return;
    if (this.shownOlder.value === "loading" || this.shownOlder.value === "start") return;
    this.shownOlder.value = "loading";
    try {
      const { bars, atStart } = await loadBefore(this.fetch, this.interval, first.time, OLDER_PAGE);
      this.merge(this.series.mergePage(bars));
      this.flushNow();
      this.shownOlder.value = atStart || this.series.isFull ? "start" : "more";
    } catch {
      if (!this.abort.signal.aborted) this.shownOlder.value = "error";
    }
  }

  stop(): void {
    this.abort.abort();
    this.flush.cancel();
    this.draw = null;
  }

  protected merge(change: Change): void {
    this.pending = both(this.pending, change);
  }

  protected flushNow(): void {
    this.flush.cancel();
    const change = this.pending;
    this.pending = { kind: "none" };
    if (change.kind === "none") return;
    this.draw?.(change);
    this.shownRevision.value += 1;
  }

  protected afterNow(): number {
    return move(this.interval, floorTo(this.interval, Math.floor(Date.now() / 1000)), 1);
  }

  private fail(error: unknown): void {
    if (this.abort.signal.aborted) return;
    const message = error instanceof ApiError ? error.message : "Something unexpected went wrong.";
    this.shownPhase.value = { kind: "error", message };
  }
}
