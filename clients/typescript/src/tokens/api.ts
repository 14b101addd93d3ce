/** What REST tells of tokens. For everybody, unless the server keeps market data for users. */

import { ApiError, type JsonRequest, type MarketOptions, type RequestOptions, requestJson } from "../rest.ts";
import {
  type ConfirmedTrade, type HolderPage, isFields, isHolder, isListOf, isToken, isTokenTrade, isTradedHour, isTradedSize,
  type PlatformVolume, type TokenCandle, type TokenCandleQuery, type TokenDetail, type TokenList, type TokenPrice, type TokenTradePage,
  type TokensFound, type TokenWindow, type VolumeDistribution,
} from "./types.ts";
import { isDecimal } from "../decimal.ts";

/** Which page of a list: `cursor` is the `next` of the one before. */
export interface PageQuery extends RequestOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

/** Every method throws `ApiError` and nothing else; status 404 is a token that is not known. */
export class TokensApi {
  /** `origin` such as `https://host:8000`, or "" for this page's own; not needed with `credentials`, which have one. */
  constructor(
    private readonly origin: string,
    private readonly options: Pick<MarketOptions, "credentials" | "fetch"> = {},
  ) {}

  /** Up to 500 tokens. Those without a trade in the window are in `new` only. */
  async top(window: TokenWindow = "24h", { limit = 50, ...options }: RequestOptions & { readonly limit?: number } = {}): Promise<TokenList> {
    const data = await this.ask(`/api/tokens/top?${parameters({ window, limit })}`, options);
    return held<TokenList>(data, (fields) => isListOf(fields.tokens, isToken), "list of tokens");
  }

  /**
   * Up to 50 tokens whose symbol, name or a word of it begins with `query`, or whose address or creator does: 0x and two
   * or more digits. The largest first; before them those whose symbol it is. 1 to 64 characters.
   */
  async search(query: string, { limit = 20, ...options }: RequestOptions & { readonly limit?: number } = {}): Promise<TokensFound> {
    const data = await this.ask(`/api/tokens/search?${parameters({ q: query, limit })}`, options);
    return held<TokensFound>(data, (fields) => isListOf(fields.tokens, isToken), "list of tokens");
  }

  async token(address: string, options: RequestOptions = {}): Promise<TokenDetail> {
    return held<TokenDetail>(await this.ask(`/api/tokens/${path(address)}`, options), isToken, "token");
  }

  /** Ascending; a bucket without trades has no candle. */
  async candles(address: string, { interval, start, end, limit = 1000 }: TokenCandleQuery, options: RequestOptions = {}): Promise<readonly TokenCandle[]> {
    const data = await this.ask(`/api/tokens/${path(address)}/candles?${parameters({ interval, start, end, limit })}`, options);
    const { candles } = held<{ candles: readonly CandleRow[] }>(data, (fields) => isListOf(fields.candles, isCandleRow), "candles");
    return candles.map(([time, open, high, low, close, volume, quoteVolume, trades, buys, buyQuoteVolume]) => ({
      time, open, high, low, close, volume, quoteVolume, trades, buys, buyQuoteVolume,
    }));
  }

  /** When a token was traded, and in which sizes. */
  async distribution(address: string, window: "24h" | "7d" = "24h", options: RequestOptions = {}): Promise<VolumeDistribution> {
    const data = await this.ask(`/api/tokens/${path(address)}/volume/distribution?${parameters({ window })}`, options);
    return held<VolumeDistribution>(data, (fields) => isListOf(fields.hours, isTradedHour) && isListOf(fields.sizes, isTradedSize), "volumes");
  }

  /** Who holds a token, the largest first. */
  async holders(address: string, { limit = 100, cursor, ...options }: PageQuery = {}): Promise<HolderPage> {
    const data = await this.ask(`/api/tokens/${path(address)}/holders?${parameters({ limit, cursor })}`, options);
    return held<HolderPage>(data, (fields) => isListOf(fields.holders, isHolder) && isFields(fields.distribution), "list of holders");
  }

  /** A token's trades, newest first. */
  async trades(address: string, { limit = 100, cursor, ...options }: PageQuery = {}): Promise<TokenTradePage> {
    const data = await this.ask(`/api/tokens/${path(address)}/trades?${parameters({ limit, cursor })}`, options);
    return held<TokenTradePage>(data, (fields) => isListOf(fields.trades, isTokenTrade), "list of trades");
  }

  /** What all tokens together were traded for. */
  async platform(options: RequestOptions = {}): Promise<PlatformVolume> {
    const volumes = ["volume24h", "volume7d", "volumeTotal"];
    const holds = (fields: Record<string, unknown>): boolean => volumes.every((name) => isDecimal(fields[name])) && isListOf(fields.hours, isTradedHour);
    return held<PlatformVolume>(await this.ask("/api/stats/volume", options), holds, "volumes");
  }

  async price(address: string, options: RequestOptions = {}): Promise<TokenPrice> {
    return held<TokenPrice>(await this.ask(`/api/trades/price/${path(address)}`, options), (fields) => isDecimal(fields.volume24h), "price");
  }

  /** Let a trade of one's own be recorded now, before the indexer comes by. As often as one likes: it is recorded once. */
  async confirm(txHash: string, tokenAddress: string, tradeType: "buy" | "sell", options: RequestOptions = {}): Promise<ConfirmedTrade> {
    const data = await this.ask("/api/trades/confirm", { ...options, method: "POST", json: { txHash, tokenAddress, tradeType } });
    return held<ConfirmedTrade>(data, (fields) => isFields(fields.volumeMetrics), "confirmation");
  }

  private async ask(where: string, request: JsonRequest): Promise<unknown> {
    const { credentials, fetch } = this.options;
    const asked = { ...request, ...(fetch && { fetch }) };
    const body = await (credentials ? credentials.request(where, asked) : requestJson(`${this.origin}${where}`, asked));
    return isFields(body) ? body.data : undefined;
  }
}

type CandleRow = readonly [number, string, string, string, string, string, string, number, number, string];

function isCandleRow(row: unknown): row is CandleRow {
  return Array.isArray(row) && Number.isFinite(row[0]) && row.slice(1, 7).length === 6 && row.slice(1, 7).every(isDecimal) && Number.isFinite(row[7]);
}

function held<T>(data: unknown, holds: (fields: Record<string, unknown>) => boolean, what: string): T {
  if (!isFields(data) || !holds(data)) throw new ApiError("malformed", `The server's answer holds no ${what}.`);
  return data as T;
}

function parameters(given: Readonly<Record<string, string | number | undefined>>): URLSearchParams {
  return new URLSearchParams(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])));
}

function path(address: string): string {
  return encodeURIComponent(address);
}
