/** The candles of one token. What is stored is what is shown: after each change the newest ones are asked for again. */

import type { TokenCandle, TokensApi } from "@openoutcry/client";
import { BarFeed, OLDER_PAGE } from "./barFeed.ts";
import type { Bar } from "./bars.ts";
import type { FetchBars } from "./history.ts";
import { floorTo, KNOWN_INTERVALS, lengthOf, move } from "./intervals.ts";

/** Blocks come too seldom for shorter ones. */
export const TOKEN_INTERVALS: readonly string[] = KNOWN_INTERVALS.filter((name) => lengthOf(name) >= 60);

/** At most so often, ms. */
const EVERY = 1_000;
/** After trades were taken back, so much may look different, s: more than the deepest reorganisation. */
const DEEPEST = 3_600;

export class TokenCandles extends BarFeed {
  private asking = false;
  private due: { readonly undone: boolean } | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private askedAt = -Infinity;
  private readonly closing = setInterval(() => this.close(), 1_000);

  constructor(
    private readonly api: Pick<TokensApi, "candles">,
    private readonly address: string,
    interval: string,
  ) {
    super(interval);
    void this.load();
  }

  /** The token has been traded; or trades of it have been taken back, and `undone` is true. */
  changed(undone: boolean): void {
    this.due = { undone: undone || (this.due?.undone ?? false) };
    if (this.asking || this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.refresh();
    }, Math.max(0, this.askedAt + EVERY - Date.now()));
  }

  override stop(): void {
    super.stop();
    if (this.timer !== null) clearTimeout(this.timer);
    clearInterval(this.closing);
  }

  private async refresh(): Promise<void> {
    const { due } = this;
    this.due = null;
    if (!due || this.asking) return;
    const phase = this.shownPhase.value.kind;
    if (phase === "loading") return this.changed(due.undone);
    this.asking = true;
    this.askedAt = Date.now();
    try {
      if (phase !== "ready") await this.load();
      else await this.refetch(due.undone);
    } catch {
      // The next trade asks again; what is shown was true.
    } finally {
      this.asking = false;
    }
    if (this.due && !this.abort.signal.aborted) this.changed(false);
  }

  private async refetch(undone: boolean): Promise<void> {
    const newest = this.series.bars.at(-1)?.time ?? 0;
    const now = Math.floor(Date.now() / 1000);
    const from = floorTo(this.interval, undone ? Math.min(newest, now) - DEEPEST : newest);
    const bars = await this.fetch(this.interval, from, this.afterNow());
    this.merge(this.series.replaceFrom(from, bars));
    this.flushNow();
    // A page holds so many: the tab has slept, and there is more.
    if (bars.length >= OLDER_PAGE) this.changed(false);
  }

  /** Blocks come in order: a bucket that is over has everything in it, and no message will say so. */
  private close(): void {
    const last = this.series.bars.at(-1);
    if (!last || last.complete || Date.now() / 1000 < move(this.interval, last.time, 1)) return;
    this.merge(this.series.mergeLive({ ...last, complete: true }));
    this.flushNow();
  }

  protected readonly fetch: FetchBars = async (interval, start, end) => {
    const query = { interval, start: start * 1000, end: end * 1000 };
    const candles = await this.api.candles(this.address, query, { signal: this.abort.signal });
    const now = Date.now() / 1000;
    return candles.map((candle) => fromCandle(candle, interval, now));
  };
}

/** Volumes of different tokens compare in ether only. `now` in Unix seconds. */
export function fromCandle(candle: TokenCandle, interval: string, now: number): Bar {
  const { open, high, low, close, quoteVolume, trades } = candle;
  const time = candle.time / 1000;
  return { time, open, high, low, close, volume: quoteVolume, trades, complete: now >= move(interval, time, 1) };
}
