/** One candle as the dashboard keeps it: exact decimal strings, whichever way they came. */

import type { Candle, CandleMessage } from "@openoutcry/client";

/** `time` is the bucket's start in Unix seconds. */
export interface Bar {
  readonly time: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  readonly trades: number;
  /** The bucket is over and nothing is missing in it. */
  readonly complete: boolean;
}

export function fromMessage(message: CandleMessage): Bar {
  const { time, open, high, low, close, volume, trades, complete } = message;
  return { time, open, high, low, close, volume, trades, complete };
}

export function fromRow(row: Candle): Bar {
  return {
    time: row.time,
    open: String(row.open),
    high: String(row.high),
    low: String(row.low),
    close: String(row.close),
    volume: String(row.volume),
    trades: row.trades ?? 0,
    complete: row.complete ?? true,
  };
}
