/** Which candles are to be shown as incomplete. */

import type { Bar } from "../state/bars.ts";
import { move } from "../state/intervals.ts";

/** A bucket that has only just ended is about to be called complete; it is given so long, in s. */
export const GRACE = 10;

/** Whether a bucket is over and something may be missing in it. `now` in Unix seconds. */
export function isIncomplete(bar: Bar, interval: string, now: number): boolean {
  return !bar.complete && now >= move(interval, bar.time, 1) + GRACE;
}
