/** The counter's figures, and where they are to be had. */

import type { Clock } from "../../typescript/src/clock.ts";

export interface Stats {
  readonly trades_7d: number;
  readonly trades_30d: number;
  readonly last_updated: string;
}

export const CHANNEL = "stats:trades";

/** How far a fetch got: figures, or how long (ms) to leave the server alone. */
export type Answer = { readonly stats: Stats } | { readonly retryAfter: number };

export type Fetch = (url: string, init: { signal: AbortSignal; credentials: "omit" }) => Promise<Response>;

export function isStats(value: unknown): value is Stats {
  if (typeof value !== "object" || value === null) return false;
  const { trades_7d, trades_30d } = value as Partial<Stats>;
  return isCount(trades_7d) && isCount(trades_30d);
}

/** Ask the API once. Never throws: what went wrong is an answer too. */
export async function ask(fetch: Fetch, clock: Clock, api: string, patience: number): Promise<Answer> {
  const stop = new AbortController();
  const cancel = clock.after(patience, () => stop.abort());
  try {
    const answer = await fetch(`${api}/api/public/stats/trades`, { signal: stop.signal, credentials: "omit" });
    if (!answer.ok) return { retryAfter: seconds(answer.headers.get("Retry-After")) };
    const body: unknown = await answer.json();
    const stats = (body as { data?: unknown } | null)?.data;
    return isStats(stats) ? { stats } : { retryAfter: 0 };
  } catch {
    return { retryAfter: 0 };
  } finally {
    cancel();
  }
}

const PATH = "/api/v1/ws/app";

/**
 * The hub's address: what the page says, else what the server says that the script is from.
 *
 * `known` is an address, or a colon and the port on the API's own host. Without it (the script is kept
 * somewhere else) the hub is taken to be on the next port; behind a proxy, under the API's own address.
 */
export function hubUrl(api: string, told: string | null, known: string): string {
  if (told) return told;
  if (/^wss?:/.test(known)) return known;
  const url = new URL(api);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (/^:\d+$/.test(known)) url.port = known.slice(1);
  else if (url.port !== "") url.port = String(Number(url.port) + 1);
  return `${url.protocol}//${url.host}${PATH}`;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function seconds(header: string | null): number {
  const told = Number(header);
  return Number.isFinite(told) && told > 0 ? Math.min(told, 300) * 1000 : 0;
}
