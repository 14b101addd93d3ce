/** The client of OpenOutcry: `createClient()` for everything at once, or its parts one by one. */

export { clearPriceCache, getPriceCacheStats, type CacheEntry, type Cleared, type PriceCacheStats } from "./admin.ts";
export {
  AccountApi, type ApiKeyInfo, type ExchangeKey, type KeyDraft, type KeyScope, type MadeKey, type SignInSession,
} from "./account.ts";
export { Auth, memoryStore, type Account, type AuthOptions, type TokenStore } from "./auth.ts";
export { retryDelay, type Backoff } from "./backoff.ts";
export type { ChannelReport } from "./channels.ts";
export { createClient, followSignIn, type Client, type ClientOptions } from "./client.ts";
export { systemClock, type Clock } from "./clock.ts";
export { Connection, type ConnectionOptions, type Socket } from "./connection.ts";
export { ApiKey, type AccessToken, type Credentials } from "./credentials.ts";
export * as decimal from "./decimal.ts";
export { whileDown, type FallbackOptions } from "./fallback.ts";
export type { Market, MarketList, PriceSource, TickerUpdate } from "./markets.ts";
export type {
  CandleChannel, CandleMessage, CandleSnapshot, ChangeOf, Channel, ErrorCode, ErrorMessage,
  PriceChannel, Quote, SnapshotOf, StatsChannel, TickersChannel, TokenChannel, TopTokensChannel, Trade, TradeChannel, TradeSnapshot, TradeUpdate, UserChannel,
} from "./messages.ts";
export { ALONE, tabs, type Peers, type TabsOptions } from "./peers.ts";
export {
  ApiError, getCandles, getJson, getMarkets, requestJson,
  type ApiErrorKind, type Candle, type CandlePage, type CandleQuery, type JsonRequest, type MarketOptions, type RequestOptions,
} from "./rest.ts";
export { judge, type Position as StreamPosition } from "./sequence.ts";
export { connect, type Lease } from "./shared.ts";
export { followTradeStats, getTradeStats, type TradeStats, type TradeStatsOptions, type TradeStatsState } from "./stats.ts";
export { isUp, type ConnectionState, type ConnectionStatus } from "./status.ts";
export { TokensApi, type PageQuery } from "./tokens/api.ts";
export type {
  ConfirmedTrade, HolderPage, PlatformVolume, Token, TokenCandle, TokenCandleQuery, TokenChange, TokenDetail, TokenHolder, TokenList, TokenPrice,
  TokenSnapshot, TokenTrade, TokenTradePage, TokensFound, TokenWindow, TopTokens, Traded, TradedHour, TradedSize, VolumeDistribution,
} from "./tokens/types.ts";
export type { TrafficReport } from "./traffic.ts";
export { TradingApi, type BotChange, type BotDraft, type KillSwitchResult, type ListQuery, type Page } from "./trading/api.ts";
export { TradingFeed, type TradingFeedOptions } from "./trading/feed.ts";
export type { Curve, EquityPoint, HeldAsset, HeldPosition, Loan, PnlPoint, Portfolio, Summary } from "./trading/figures.ts";
export { livePnl, unrealized } from "./trading/pnl.ts";
export { EMPTY, isOpen, openOrders, reduce, totalsOf, type PnlTotals, type TradingEvent, type TradingState } from "./trading/state.ts";
export type { Parameter, ParameterType, Strategy } from "./trading/strategies.ts";
export type {
  Balance, Bot, BotStatus, Fill, Limits, LogEntry, LogLevel, Order, OrderSide, OrderStatus, OrderType, PnlUpdate, Position,
  UserMessage, UserMessageType, UserSnapshot,
} from "./trading/types.ts";
