/** Short ways to make test values. */

import type { Market } from "@openoutcry/client";
import type { Bar } from "../src/state/bars.ts";

export function bar(time: number, change: Partial<Bar> = {}): Bar {
  return { time, open: "1", high: "3", low: "1", close: "2", volume: "5", trades: 4, complete: true, ...change };
}

export const times = (bars: readonly Bar[]): number[] => bars.map(({ time }) => time);

export function market(symbol: string, base: string, quote: string, change: Partial<Market> = {}): Market {
  return {
    symbol, base, quote, price: "1", change: "0", changePercent: "0", high: "1", low: "1",
    volume: "1", quoteVolume: "1", carried: false, sparkline: null, ...change,
  };
}
