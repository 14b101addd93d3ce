/** Times as people read them. */

import { inAge } from "./freshness.ts";

const DAY = 86_400_000;

const dated = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC", hourCycle: "h23" });

/** `21 Nov, 14:03:21`, UTC. */
export function stamp(iso: string): string {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? "" : dated.format(at);
}

const dates = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** `21 Nov 2026`, UTC. */
export function day(iso: string): string {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? "" : dates.format(at);
}

/** 8 s, 4 min, 3 h, 5 d. */
export function inDays(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  return hours < 48 ? inAge(Math.max(0, ms)) : `${Math.floor(hours / 24)} d`;
}

/** `12 s ago`, `4 min ago`; after a day the date. */
export function ago(iso: string, now = Date.now()): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return "";
  return now - at > DAY ? stamp(iso) : `${inAge(Math.max(0, now - at))} ago`;
}
