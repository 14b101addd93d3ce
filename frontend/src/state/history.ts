/** Finding the candles before a time, across stretches in which nothing was traded or recorded. */

import type { Bar } from "./bars.ts";
import { floorTo, lengthOf, move } from "./intervals.ts";

/** Fetch one range; `start` and `end` in Unix seconds, both included, at most 1000 buckets. */
export type FetchBars = (interval: string, start: number, end: number) => Promise<readonly Bar[]>;

export interface Page {
  readonly bars: readonly Bar[];
  /** There is nothing older. */
  readonly atStart: boolean;
}

/** Coarse to fine, each a whole number of the next. */
const RUNGS = ["1M", "1d", "1h", "15m"];
const MOST = 1000;

/**
 * Return up to `count` buckets before `before` (Unix seconds, exclusive).
 *
 * An empty page does not mean the beginning: the recorder may have been off for a month. Then a few
 * more requests, in coarser and coarser candles, find the newest older one, and the page ends there.
 */
export async function loadBefore(fetch: FetchBars, interval: string, before: number, count: number): Promise<Page> {
  const bars = await pageEndingAt(fetch, interval, before, count);
  if (bars.length > 0) return { bars, atStart: false };
  const end = await newestBefore(fetch, interval, rungsFor(interval), 0, before);
  if (end === null) return { bars: [], atStart: true };
  const older = await pageEndingAt(fetch, interval, end, MOST);
  return { bars: older, atStart: older.length === 0 };
}

async function pageEndingAt(fetch: FetchBars, interval: string, before: number, count: number): Promise<readonly Bar[]> {
  const last = floorTo(interval, before - 1);
  const bars = await fetch(interval, move(interval, last, 1 - count), last);
  return bars.filter((bar) => bar.time < before);
}

/** The rungs down to the first whose buckets fit into one page of the interval. */
function rungsFor(interval: string): readonly string[] {
  const fits = (rung: string): boolean => lengthOf(rung) <= MOST * lengthOf(interval);
  return RUNGS.slice(0, RUNGS.findIndex(fits) + 1);
}

/**
 * Where the newest stretch of from..before that holds trades ends; null if there is none.
 *
 * A bucket that ends after `before` says little: what makes it non-empty may be newer. It is looked
 * into, and if there is nothing older in it, the bucket before it counts.
 */
async function newestBefore(
  fetch: FetchBars, interval: string, rungs: readonly string[], from: number, before: number,
): Promise<number | null> {
  const [rung, ...finer] = rungs;
  if (rung === undefined) {
    const bars = await fetch(interval, floorTo(interval, from), floorTo(interval, before - 1));
    return bars.length > 0 ? before : null;
  }
  const last = floorTo(rung, before - 1);
  const found = await fetch(rung, Math.max(floorTo(rung, from), move(rung, last, 1 - MOST)), last);
  for (const { time } of found.slice(-2).reverse()) {
    const end = move(rung, time, 1);
    if (end > before) {
      const inner = await newestBefore(fetch, interval, finer, time, before);
      if (inner !== null) return inner;
    } else {
      return finer.length === 0 ? end : ((await newestBefore(fetch, interval, finer, time, end)) ?? end);
    }
  }
  return null;
}
