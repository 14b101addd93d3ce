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

/** Coarse to fine: each names the stretch that the next one looks into. */
const RUNGS = ["1M", "1d", "1h"];

/**
 * Return up to `count` buckets before `before` (Unix seconds, exclusive), nearest first in search.
 *
 * An empty page does not mean the beginning: the recorder may have been off for a month. Then at
 * most three more requests find the newest older candle, and the page ends there.
 */
export async function loadBefore(fetch: FetchBars, interval: string, before: number, count: number): Promise<Page> {
  const bars = await pageEndingAt(fetch, interval, before, count);
  if (bars.length > 0) return { bars, atStart: false };
  const end = await newestBefore(fetch, interval, before);
  if (end === null) return { bars: [], atStart: true };
  const older = await pageEndingAt(fetch, interval, end, count);
  return { bars: older, atStart: older.length === 0 };
}

async function pageEndingAt(fetch: FetchBars, interval: string, before: number, count: number): Promise<readonly Bar[]> {
  const last = floorTo(interval, before - 1);
  const bars = await fetch(interval, move(interval, last, 1 - count), last);
  return bars.filter((bar) => bar.time < before);
}

/** The end of the shortest known stretch before `before` that holds trades; null if there is none. */
async function newestBefore(fetch: FetchBars, interval: string, before: number): Promise<number | null> {
  let from = 0;
  let end = before;
  let found = false;
  for (const rung of RUNGS) {
    if (lengthOf(rung) <= lengthOf(interval)) break;
    const last = floorTo(rung, end - 1);
    const start = Math.max(floorTo(rung, from), move(rung, last, -999));
    const newest = (await fetch(rung, start, last)).at(-1);
    if (!newest) return found ? end : null;
    found = true;
    from = newest.time;
    end = Math.min(end, move(rung, newest.time, 1));
  }
  return found ? end : null;
}
