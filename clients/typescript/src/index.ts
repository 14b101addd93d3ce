/** The client of OpenOutcry: `connect()` for what changes, `getCandles()` for what was, `Auth` for who is asking. */

export { clearPriceCache, getPriceCacheStats, type CacheEntry, type Cleared, type PriceCacheStats } from "./admin.ts";
export { Auth, memoryStore, type Account, type AuthOptions, type TokenStore } from "./auth.ts";
export { retryDelay, type Backoff } from "./backoff.ts";
export { systemClock, type Clock } from "./clock.ts";
export { Connection, type ConnectionOptions, type Socket } from "./connection.ts";
export { whileDown, type FallbackOptions } from "./fallback.ts";
export type { Market, MarketList, PriceSource, TickerUpdate } from "./markets.ts";
export type {
  CandleChannel, CandleMessage, CandleSnapshot, ChangeOf, Channel, ErrorCode, ErrorMessage,
  PriceChannel, Quote, SnapshotOf, TickersChannel, Trade, TradeChannel, TradeSnapshot, TradeUpdate,
} from "./messages.ts";
export {
  ApiError, getCandles, getJson, getMarkets, requestJson,
  type ApiErrorKind, type Candle, type CandlePage, type CandleQuery, type JsonRequest, type RequestOptions,
} from "./rest.ts";
export { connect, type Lease } from "./shared.ts";
export { isUp, type ConnectionState, type ConnectionStatus } from "./status.ts";
