/** Candle intervals: their order, their names, and where their buckets start. Times in Unix seconds. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const FIRST_MONDAY = 4 * DAY;

const LENGTHS: Readonly<Record<string, number>> = {
  "1s": 1, "30s": 30,
  "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
  "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "6h": 6 * HOUR, "8h": 8 * HOUR, "12h": 12 * HOUR,
  "1d": DAY, "3d": 3 * DAY, "1w": 7 * DAY, "1M": 31 * DAY,
};

/** Always one press away; the rest are in the menu. */
export const FAVOURITES: readonly string[] = ["1m", "5m", "15m", "1h", "4h", "1d"];

export const KNOWN_INTERVALS: readonly string[] = Object.keys(LENGTHS);

const UNITS: Readonly<Record<string, string>> = {
  s: "second", m: "minute", h: "hour", d: "day", w: "week", M: "month",
};

/** The length in seconds; a month counts as its longest, 31 days. */
export function lengthOf(interval: string): number {
  const length = LENGTHS[interval];
  if (length === undefined) throw new RangeError(`There is no interval ${interval}.`);
  return length;
}

/** `15m` in words: `15 minutes`. */
export function inWords(interval: string): string {
  const count = Number.parseInt(interval, 10);
  const unit = UNITS[interval.slice(-1)] ?? interval;
  return count === 1 ? `1 ${unit}` : `${count} ${unit}s`;
}

/** The start of the bucket that holds `time`. */
export function floorTo(interval: string, time: number): number {
  if (interval === "1M") {
    const date = new Date(time * 1000);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 1000;
  }
  const length = lengthOf(interval);
  const origin = interval === "1w" ? FIRST_MONDAY : 0;
  return origin + Math.floor((time - origin) / length) * length;
}

/** The start of the bucket `count` buckets after the one that starts at `bucket`; never before 1970. */
export function move(interval: string, bucket: number, count: number): number {
  if (interval === "1M") {
    const date = new Date(bucket * 1000);
    return Math.max(0, Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + count, 1) / 1000);
  }
  return Math.max(0, bucket + count * lengthOf(interval));
}

/** The interval one step shorter or longer within `available`; the ends hold. */
export function neighbour(available: readonly string[], interval: string, step: 1 | -1): string {
  const at = available.indexOf(interval);
  return available[at + step] ?? interval;
}
