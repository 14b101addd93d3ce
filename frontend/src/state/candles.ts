/** The candles of one symbol and interval: loaded, kept live, extended backwards on demand. */

import { ApiError, type Connection, getCandles, isUp, type MarketOptions, whileDown } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Bar, fromMessage, fromRow } from "./bars.ts";
import { coalesce } from "./coalesce.ts";
import { type FetchBars, loadBefore } from "./history.ts";
import { floorTo, lengthOf, move } from "./intervals.ts";
import { both, type Change, Series } from "./series.ts";

export type Phase =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "empty" }
  | { readonly kind: "error"; readonly message: string };

export type Older = "more" | "loading" | "start" | "error";

const FIRST_PAGE = 600;
const OLDER_PAGE = 1000;
/** A page that follows what is already there overlaps it by so many buckets. */
const OVERLAP = 3;
/** A pause longer than so many buckets is cheaper to start over from than to fill. */
const LONGEST_PAUSE = 5 * OLDER_PAGE;

export class CandleFeed {
  readonly series = new Series();
  private readonly abort = new AbortController();
  private readonly shownPhase = signal<Phase>({ kind: "loading" });
  private readonly shownOlder = signal<Older>("more");
  private readonly shownRevision = signal(0);
  private readonly stops: (() => void)[] = [];
  private pending: Change = { kind: "none" };
  private draw: ((change: Change) => void) | null = null;
  private wasDown = false;
  private readonly flush = coalesce(50, () => this.flushNow());

  constructor(
    connection: Connection,
    readonly symbol: string,
    readonly interval: string,
    private readonly options: MarketOptions = {},
  ) {
    this.stops.push(
      connection.subscribe(
        `candle:${symbol}:${interval}`,
        ({ candles }) => {
          for (const candle of candles) this.mergeLive(fromMessage(candle));
        },
        (candle) => this.mergeLive(fromMessage(candle)),
      ),
      connection.watch(({ state }) => {
        if (isUp(state) && this.wasDown) void this.catchUp();
        this.wasDown = !isUp(state) && state !== "connecting";
      }),
      whileDown(connection, () => void this.catchUp()),
    );
    void this.load();
  }

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
    for (const stop of this.stops) stop();
  }

  /** After a pause, or during one: fetch what may have been missed. */
  private async catchUp(): Promise<void> {
    const last = this.series.bars.at(-1);
    if (!last || this.shownPhase.value.kind !== "ready") {
      if (this.shownPhase.value.kind !== "loading") await this.load();
      return;
    }
    try {
      // Page backwards from now until the known bars are reached; the page before them overlaps.
      const known = move(this.interval, last.time, -OVERLAP);
      let before = this.afterNow();
      if (before - known > LONGEST_PAUSE * lengthOf(this.interval)) {
        this.series.clear();
        this.shownOlder.value = "more";
        await this.load();
        return;
      }
      while (before > known) {
        const from = Math.max(known, move(this.interval, floorTo(this.interval, before - 1), 1 - OLDER_PAGE));
        this.merge(this.series.mergePage(await this.fetch(this.interval, from, before - 1)));
        before = from;
        if (this.series.isFull) break;
      }
      this.flushNow();
    } catch {
      // The next reconnect or minute asks again; what is shown is still true.
    }
  }

  private mergeLive(bar: Bar): void {
    this.merge(this.series.mergeLive(bar));
    if (this.shownPhase.value.kind === "empty") this.shownPhase.value = { kind: "ready" };
    this.flush();
  }

  private merge(change: Change): void {
    this.pending = both(this.pending, change);
  }

  private flushNow(): void {
    this.flush.cancel();
    const change = this.pending;
    this.pending = { kind: "none" };
    if (change.kind === "none") return;
    this.draw?.(change);
    this.shownRevision.value += 1;
  }

  private fail(error: unknown): void {
    if (this.abort.signal.aborted) return;
    const message = error instanceof ApiError ? error.message : "Something unexpected went wrong.";
    this.shownPhase.value = { kind: "error", message };
  }

  private afterNow(): number {
    return move(this.interval, floorTo(this.interval, Math.floor(Date.now() / 1000)), 1);
  }

  private readonly fetch: FetchBars = async (interval, start, end) => {
    const query = { asset: this.symbol, duration: interval, start, end };
    const page = await getCandles("", query, { ...this.options, signal: this.abort.signal });
    return page.candles.map(fromRow);
  };
}
