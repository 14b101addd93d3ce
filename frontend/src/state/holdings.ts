/** What the account holds and has earned, asked for while somebody looks and whenever something was traded. */

import { ApiError, type Curve, type Portfolio, type Summary } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { coalesce } from "./coalesce.ts";
import type { Trading } from "./trading.ts";

export const RANGES = ["1d", "1w", "1M", "all"] as const;
export type CurveRange = (typeof RANGES)[number];

const DAYS: Readonly<Record<CurveRange, number | null>> = { "1d": 1, "1w": 7, "1M": 31, all: null };
const EVERY = 60_000;
/** What is told within so long is asked for once, ms. */
const TOGETHER = 500;
const DAY = 86_400_000;

export interface Holdings {
  readonly portfolio: Portfolio;
  readonly summary: Summary;
}

export class HoldingsFeed {
  private readonly shown = signal<Holdings | null>(null);
  private readonly shownCurve = signal<Curve | null>(null);
  private readonly shownProblem = signal<string | null>(null);
  private readonly shownRange = signal<CurveRange>("all");
  private readonly abort = new AbortController();
  private readonly again = coalesce(TOGETHER, () => void this.load());
  private readonly ends: readonly (() => void)[];
  /** Counts requests: an earlier one's answer does not undo a later one's. */
  private round = 0;

  constructor(private readonly trading: Trading) {
    const timer = setInterval(() => {
      if (!document.hidden) void this.load();
    }, EVERY);
    this.ends = [
      () => clearInterval(timer),
      trading.feed.hear((message) => {
        // Money that is put in or taken out is told of by the account's own log, and by nothing else.
        const isMoney = message.type === "log_created" ? message.data.bot_id === null : message.type !== "bot_update";
        if (isMoney) this.again();
      }),
      trading.feed.onRenewed(() => this.again()),
    ];
    void this.load();
  }

  get holdings(): ReadonlySignal<Holdings | null> {
    return this.shown;
  }

  get curve(): ReadonlySignal<Curve | null> {
    return this.shownCurve;
  }

  /** Why the last attempt failed; what was known stays. */
  get problem(): ReadonlySignal<string | null> {
    return this.shownProblem;
  }

  get range(): ReadonlySignal<CurveRange> {
    return this.shownRange;
  }

  select(range: CurveRange): void {
    this.shownRange.value = range;
    void this.load();
  }

  async load(): Promise<void> {
    const round = ++this.round;
    const options = { signal: this.abort.signal };
    const days = DAYS[this.shownRange.value];
    const from = days === null ? {} : { from: new Date(Date.now() - days * DAY).toISOString() };
    const { api } = this.trading;
    try {
      const [portfolio, summary, curve] = await Promise.all([api.portfolio(options), api.summary(options), api.curve({ ...from, ...options })]);
      if (this.abort.signal.aborted || round !== this.round) return;
      this.shown.value = { portfolio, summary };
      this.shownCurve.value = curve;
      this.shownProblem.value = null;
    } catch (error) {
      if (this.abort.signal.aborted || round !== this.round) return;
      this.shownProblem.value = error instanceof ApiError ? error.message : "Something unexpected went wrong.";
    }
  }

  stop(): void {
    this.abort.abort();
    this.again.cancel();
    for (const end of this.ends) end();
  }
}
