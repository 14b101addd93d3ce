/** The candles of one symbol and interval: loaded, kept live, extended backwards on demand. */

import { type Connection, getCandles, isUp, type MarketOptions, whileDown } from "@openoutcry/client";
import { BarFeed, OLDER_PAGE } from "./barFeed.ts";
import { type Bar, fromMessage, fromRow } from "./bars.ts";
import type { FetchBars } from "./history.ts";
import { floorTo, lengthOf, move } from "./intervals.ts";

/** A page that follows what is already there overlaps it by so many buckets. */
const OVERLAP = 3;
/** A pause longer than so many buckets is cheaper to start over from than to fill. */
const LONGEST_PAUSE = 5 * OLDER_PAGE;

export class CandleFeed extends BarFeed {
  private readonly stops: (() => void)[] = [];
  private wasDown = false;

  constructor(
    connection: Connection,
    readonly symbol: string,
    interval: string,
    private readonly options: MarketOptions = {},
  ) {
    super(interval);
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

  override stop(): void {
    super.stop();
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

  protected readonly fetch: FetchBars = async (interval, start, end) => {
    const query = { asset: this.symbol, duration: interval, start, end };
    const page = await getCandles("", query, { ...this.options, signal: this.abort.signal });
    return page.candles.map(fromRow);
  };
}
