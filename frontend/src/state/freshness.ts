/** Where the prices of the list come from and how old they are, in words. Pure. */

import type { Tone } from "./pill.ts";
import type { Freshness } from "./markets.ts";

export interface FreshnessWords {
  readonly tone: Tone;
  readonly label: string;
  readonly title: string;
}

/** Prices that are pushed are due every second; polled ones every ten. */
const TOO_OLD = 30_000;

export function isStale({ stale, asOf }: Freshness, now: number): boolean {
  return stale || (asOf !== null && now - asOf > TOO_OLD);
}

export function freshnessWords(fresh: Freshness, now: number): FreshnessWords {
  const age = fresh.asOf === null ? null : Math.max(0, now - fresh.asOf);
  if (age === null) return { tone: "wait", label: "No prices yet", title: "Neither the exchange's stream nor its REST has answered yet." };
  if (isStale(fresh, now)) {
    return { tone: "wait", label: `Stale: ${inAge(age)} old`, title: "The exchange cannot be heard. These are the last prices that came." };
  }
  const from = fresh.source === "rest" ? "REST" : "Stream";
  const origin = fresh.source === "rest" ? "Prices from the exchange's REST" : "Prices from the exchange's stream";
  if (fresh.pushed) {
    return fresh.source === "rest"
      ? { tone: "good", label: `REST, ${inAge(age)} old`, title: `${origin}, pushed by the hub.` }
      : { tone: "good", label: "Stream, live", title: `${origin}, pushed by the hub every second.` };
  }
  return { tone: "wait", label: `${from}, polled ${inAge(age)} ago`, title: `${origin}, asked for every 10 s: the hub says nothing of them.` };
}

/** 8 s, 4 min, 3 h. */
export function inAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
