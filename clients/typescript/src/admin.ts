/** What an administrator may see and do: the figures of the price aggregator. */

import type { Auth } from "./auth.ts";
import type { PriceSource } from "./markets.ts";
import { ApiError, type RequestOptions } from "./rest.ts";

export interface CacheEntry {
  readonly key: string;
  /** As people read it, such as "8s". */
  readonly age: string;
  readonly requestsServed: number;
  readonly symbolCount: number;
}

export interface PriceCacheStats {
  readonly cacheSize: number;
  readonly activeFetches: number;
  readonly entries: readonly CacheEntry[];
  readonly source: PriceSource;
  /** Open: upstream is left alone. Half open: one request may try it. */
  readonly breaker: "closed" | "open" | "halfOpen";
  /** All processes together. */
  readonly upstreamCallsLastMinute: number;
  readonly usedWeight: number;
  readonly weightLimit: number;
  /** The exchange has asked to be left alone for so long, s. */
  readonly weightBlockedSeconds?: number;
  readonly lastError: string | null;
  /** Answers out of the cache; as the next one, of the process that answered, since its start. */
  readonly hits: number;
  /** Answers that had to be old. */
  readonly staleServed: number;
  /** Seconds since the stream was heard; null if it never was. */
  readonly streamAge?: number | null;
  /** How often the source has changed between stream and REST. */
  readonly switches?: number;
}

/** What was in the cache before it was emptied. */
export interface Cleared {
  readonly entries: readonly Pick<CacheEntry, "key" | "symbolCount">[];
}

const PATH = "/api/admin/price-cache-stats";

/** Throws `ApiError`; 401 when nobody is signed in, 403 when somebody else than an admin is. */
export async function getPriceCacheStats(auth: Auth, options: RequestOptions = {}): Promise<PriceCacheStats> {
  const body = await auth.request(PATH, options);
  if (!isStats(body)) throw new ApiError("malformed", "The server's answer holds no figures of the cache.");
  return body;
}

/** Empty the cache: the next reader waits for new prices. Throws `ApiError`. */
export async function clearPriceCache(auth: Auth, options: RequestOptions = {}): Promise<Cleared> {
  const body = await auth.request(PATH, { ...options, method: "POST" });
  if (!isCleared(body)) throw new ApiError("malformed", "The server does not say what it cleared.");
  return body.cleared;
}

function isCleared(body: unknown): body is { readonly cleared: Cleared } {
  if (typeof body !== "object" || body === null || !("cleared" in body)) return false;
  const { cleared } = body;
  return typeof cleared === "object" && cleared !== null && "entries" in cleared && Array.isArray(cleared.entries);
}

function isStats(body: unknown): body is PriceCacheStats {
  if (typeof body !== "object" || body === null) return false;
  const fields = body as Record<string, unknown>;
  return typeof fields.cacheSize === "number" && typeof fields.activeFetches === "number" && Array.isArray(fields.entries);
}
