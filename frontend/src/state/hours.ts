/** Volumes by the hour and by size, made ready to be drawn. Pure. */

import { decimal as exact, type Traded, type TradedHour } from "@openoutcry/client";

const HOUR = 3_600_000;

/** Every hour up to the one of `now`, those without trades too; `count` of them. */
export function filledHours(hours: readonly TradedHour[], now: number, count: number): readonly TradedHour[] {
  const known = new Map(hours.map((hour) => [hour.time, hour]));
  const last = Math.floor(now / HOUR) * HOUR;
  return Array.from({ length: count }, (_, index) => {
    const time = last - (count - 1 - index) * HOUR;
    return known.get(time) ?? { time, volume: "0", trades: 0, buys: 0, buyVolume: "0" };
  });
}

/** How many hours have to be shown: whole days, from the first that has trades, of `most` at most. */
export function hoursToShow(hours: readonly TradedHour[], now: number, most: number): number {
  const first = hours[0]?.time ?? now;
  const days = Math.ceil((now - first) / (24 * HOUR));
  return Math.min(most, Math.max(1, days) * 24);
}

/** What was bought of it, in percent; null where nothing was traded. */
export function boughtShare(parts: readonly Traded[]): number | null {
  const volume = Number(exact.sum(parts.map((part) => part.volume)));
  if (volume === 0) return null;
  return (Number(exact.sum(parts.map((part) => part.buyVolume))) / volume) * 100;
}
