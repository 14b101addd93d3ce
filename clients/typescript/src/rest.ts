/** The REST side: candles by range, the list of markets, and any JSON, with one kind of error. */

import type { Credentials } from "./credentials.ts";
import { isMarketList, type MarketList } from "./markets.ts";

/** One bucket as `GET /candles` answers it. `time` is the bucket's start in Unix seconds. */
export interface Candle {
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly trades: number;
  readonly quoteVolume: number;
  readonly complete: boolean;
}

export interface CandlePage {
  readonly asset: string;
  readonly duration: string;
  readonly startTime: string;
  readonly endTime: string;
  /** Ascending, at most 1000. */
  readonly candles: readonly Candle[];
}

export interface CandleQuery {
  readonly asset: string;
  readonly duration: string;
  /** Unix seconds; both ends are included, by bucket start. */
  readonly start: number;
  readonly end: number;
  readonly fill?: "none" | "previous";
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** How long an answer may take, ms. */
  readonly within?: number;
  readonly fetch?: typeof fetch;
}

/** A question about the market. */
export interface MarketOptions extends RequestOptions {
  /** Who asks, where market data is for users only: `Auth` or `ApiKey`. Its origin is the one that counts then. */
  readonly credentials?: Pick<Credentials, "request">;
}

/** A request that may be more than a plain GET. `json` becomes the body. */
export interface JsonRequest extends RequestOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

/**
 * - `network`: no answer came. - `timeout`: none in time. - `http`: the server said no (`status`).
 * - `malformed`: an answer that is not what was asked for. - `aborted`: by the caller's signal.
 */
export type ApiErrorKind = "network" | "timeout" | "http" | "malformed" | "aborted";

export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly kind: ApiErrorKind,
    message: string,
    readonly status: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    if (this.kind === "http") return this.status === 429 || (this.status ?? 0) >= 500;
    return this.kind === "network" || this.kind === "timeout";
  }
}

/** Fetch candles from `origin` (such as `https://host:8000`, or "" for this page's own). Throws `ApiError`. */
export async function getCandles(
  origin: string,
  query: CandleQuery,
  options: MarketOptions = {},
): Promise<CandlePage> {
  const parameters = new URLSearchParams({
    asset: query.asset,
    duration: query.duration,
    startTime: new Date(query.start * 1000).toISOString(),
    endTime: new Date(query.end * 1000).toISOString(),
  });
  if (query.fill) parameters.set("fill", query.fill);
  const body = await ask(origin, `/candles?${parameters}`, options);
  if (!isPage(body)) throw new ApiError("malformed", "The server's answer holds no candles.");
  return body;
}

/** Fetch every market's 24 h figures from `origin`. Throws `ApiError`. */
export async function getMarkets(origin: string, options: MarketOptions = {}): Promise<MarketList> {
  const body = await ask(origin, "/api/v1/markets", options);
  if (!isMarketList(body)) throw new ApiError("malformed", "The server's answer holds no markets.");
  return body;
}

/** Fetch JSON. Throws `ApiError` and nothing else; an error body's `message` becomes the error's. */
export async function getJson(url: string, options: RequestOptions = {}): Promise<unknown> {
  return requestJson(url, options);
}

/** The same for any method. An answer without a body, such as a 204, is `null`. */
export async function requestJson(url: string, options: JsonRequest = {}): Promise<unknown> {
  const within = options.within ?? 15_000;
  const timeout = AbortSignal.timeout(within);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  let response: Response;
  let text: string;
  try {
    response = await (options.fetch ?? fetch)(url, {
      signal,
      method: options.method ?? "GET",
      headers: {
        accept: "application/json",
        ...(options.json !== undefined && { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(options.json !== undefined && { body: JSON.stringify(options.json) }),
    });
    text = await response.text();
  } catch (cause) {
    if (options.signal?.aborted) throw new ApiError("aborted", "The request was given up.", null, { cause });
    if (timeout.aborted) {
      throw new ApiError("timeout", `The server did not answer within ${within / 1000} s.`, null, { cause });
    }
    throw new ApiError("network", "The server cannot be reached.", null, { cause });
  }
  const body = parse(text);
  if (!response.ok) throw new ApiError("http", reason(body) ?? `The server answered ${response.status}.`, response.status);
  if (text === "" && response.status === 204) return null;
  if (body === undefined) throw new ApiError("malformed", "The server's answer is not JSON.", response.status);
  return body;
}

function ask(origin: string, path: string, { credentials, ...options }: MarketOptions): Promise<unknown> {
  return credentials ? credentials.request(path, options) : getJson(`${origin}${path}`, options);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reason(body: unknown): string | null {
  if (typeof body !== "object" || body === null || !("message" in body)) return null;
  return typeof body.message === "string" && body.message !== "" ? body.message : null;
}

function isPage(body: unknown): body is CandlePage {
  if (typeof body !== "object" || body === null || !("candles" in body)) return false;
  return Array.isArray(body.candles) && body.candles.every(isCandle);
}

function isCandle(item: unknown): boolean {
  if (typeof item !== "object" || item === null) return false;
  const fields = item as Record<string, unknown>;
  return ["time", "open", "high", "low", "close", "volume"].every((key) => Number.isFinite(fields[key]));
}
