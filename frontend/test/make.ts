/** Short ways to make test values. */

import type { Bar } from "../src/state/bars.ts";

export function bar(time: number, change: Partial<Bar> = {}): Bar {
  return { time, open: "1", high: "3", low: "1", close: "2", volume: "5", trades: 4, complete: true, ...change };
}

export const times = (bars: readonly Bar[]): number[] => bars.map(({ time }) => time);
