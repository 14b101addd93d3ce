/** The public counter of trades: asked for, pushed where a hub is, polled where none is. */

import type { Clock } from "./clock.ts";
import { systemClock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { ApiError, getJson, type RequestOptions } from "./rest.ts";
import { isUp } from "./status.ts";

export interface TradeStats {
  /** Today counts as day 1; UTC. */
  readonly trades_7d: number;
  readonly trades_30d: number;
  /** ISO 8601 UTC. */
  readonly last_updated: string;
}

export function isTradeStats(data: unknown): data is TradeStats {
  if (typeof data !== "object" || data === null) return false;
  const fields = data as Record<string, unknown>;
  return Number.isFinite(fields.trades_7d) && Number.isFinite(fields.trades_30d) && typeof fields.last_updated === "string";
}

/** Fetch the counts from `origin`. No sign-in is needed. Throws `ApiError`. */
export async function getTradeStats(origin: string, options: RequestOptions = {}): Promise<TradeStats> {
  const body = await getJson(`${origin}/api/public/stats/trades`, options);
  const data = typeof body === "object" && body !== null && "data" in body ? body.data : null;
  if (!isTradeStats(data)) throw new ApiError("malformed", "The server's answer holds no counts of trades.");
  return data;
}

export interface TradeStatsState {
  /** The last that is known; it stays when asking again fails. */
  readonly stats: TradeStats | null;
  /** What the last attempt ran into; null when it went well. */
  readonly error: ApiError | null;
  /** Pushed by the hub just now, not polled. */
  readonly live: boolean;
}

export interface TradeStatsOptions {
  readonly origin?: string;
  /** Push while it is up; without one the counts are polled. */
  readonly connection?: Pick<Connection, "subscribe" | "watch">;
  /** ms between polls. */
  readonly every?: number;
  readonly clock?: Clock;
  readonly fetch?: typeof fetch;
}

/** Follow the counts: `onState` is called with each new state. The answer ends it. */
export function followTradeStats(onState: (state: TradeStatsState) => void, options: TradeStatsOptions = {}): () => void {
  const { origin = "", connection, every = 10_000, clock = systemClock } = options;
  const abort = new AbortController();
  let state: TradeStatsState = { stats: null, error: null, live: false };
  let cancel: (() => void) | null = null;
  let up = false;
  const set = (change: Partial<TradeStatsState>): void => {
    state = { ...state, ...change };
    onState(state);
  };
  const pushed = (stats: TradeStats | null): void => {
    if (stats) set({ stats, error: null, live: true });
  };
  const poll = async (): Promise<void> => {
    cancel?.();
    // Planned first: an answer that takes long must not hold up the next.
    cancel = clock.after(every, () => void poll());
    if (up && state.live) return;
    try {
      const stats = await getTradeStats(origin, { signal: abort.signal, ...(options.fetch && { fetch: options.fetch }) });
      if (!abort.signal.aborted) set({ stats, error: null });
    } catch (error) {
      if (!abort.signal.aborted && error instanceof ApiError) set({ error });
    }
  };
  const stops = connection
    ? [
        connection.subscribe("stats:trades", pushed, pushed, () => set({ live: false })),
        connection.watch((status) => {
          up = isUp(status.state);
          if (!up && state.live) set({ live: false });
        }),
      ]
    : [];
  void poll();
  return () => {
    abort.abort();
    cancel?.();
    for (const stop of stops) stop();
  };
}
