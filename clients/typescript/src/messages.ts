/** The hub's messages as types, and the one function that turns text into them. */

import { isDecimal } from "./decimal.ts";
import { isMarketList, isTickerUpdate, type MarketList, type TickerUpdate } from "./markets.ts";
import { isTradeStats, type TradeStats } from "./stats.ts";
import { isTokenChange, isTokenSnapshot, isTopTokens, type TokenChange, type TokenSnapshot, type TopTokens } from "./tokens/types.ts";
import { holdsUserData, isUserMessageType, isUserSnapshot, type UserMessage, type UserSnapshot } from "./trading/types.ts";

/** A bid and an ask around the last price: decimal strings, the venue's time in milliseconds. */
export interface Quote {
  readonly symbol: string;
  readonly originalPrice: string;
  readonly bidPrice: string;
  readonly askPrice: string;
  readonly timestamp: number;
}

/** One bucket, whole, as it is stored. `time` is the bucket's start in Unix seconds. */
export interface CandleMessage {
  readonly symbol: string;
  readonly interval: string;
  readonly time: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  readonly quoteVolume: string;
  readonly trades: number;
  readonly takerBuyVolume: string;
  readonly takerBuyQuoteVolume: string;
  /** The bucket is over. */
  readonly closed: boolean;
  /** The bucket is over and nothing is missing in it. */
  readonly complete: boolean;
}

/** A public print. `side` is the taker's, `time` the venue's in milliseconds. */
export interface Trade {
  readonly id: number;
  readonly price: string;
  readonly size: string;
  readonly side: "buy" | "sell";
  readonly time: number;
}

export interface CandleSnapshot {
  /** Newest last; at most the previous bucket and the current one. */
  readonly candles: readonly CandleMessage[];
}

export interface TradeSnapshot {
  /** Newest last. */
  readonly trades: readonly Trade[];
}

export interface TradeUpdate {
  readonly symbol: string;
  readonly trades: readonly Trade[];
  /** Trades left out because this client reads too slowly. */
  readonly skipped: number;
}

export type PriceChannel = `price:${string}`;
export type CandleChannel = `candle:${string}:${string}`;
export type TradeChannel = `trade:${string}`;
export type TickersChannel = "tickers";
/** What is the signed-in user's own; see `Connection.identify`. */
export type UserChannel = "user";
/** The public counter of trades. */
export type StatsChannel = "stats:trades";
/** One token of a launchpad, by its address. */
export type TokenChannel = `token:0x${string}`;
/** The tokens with the most volume in 24 hours. */
export type TopTokensChannel = "tokens:top";
export type Channel =
  | PriceChannel | CandleChannel | TradeChannel | TickersChannel | UserChannel | StatsChannel | TokenChannel | TopTokensChannel;

/** What `subscribed` carries for a channel. */
export type SnapshotOf<C extends Channel> = C extends PriceChannel
  ? Quote | null
  : C extends CandleChannel
    ? CandleSnapshot
    : C extends TickersChannel
      ? MarketList | null
      : C extends UserChannel
        ? UserSnapshot
        : C extends StatsChannel
          ? TradeStats | null
          : C extends TokenChannel
            ? TokenSnapshot
            : C extends TopTokensChannel
              ? TopTokens | null
              : TradeSnapshot;

/** What a channel sends when something changes; of `user` the whole message, for its type. */
export type ChangeOf<C extends Channel> = C extends PriceChannel
  ? Quote
  : C extends CandleChannel
    ? CandleMessage
    : C extends TickersChannel
      ? readonly TickerUpdate[]
      : C extends UserChannel
        ? UserMessage
        : C extends StatsChannel
          ? TradeStats
          : C extends TokenChannel
            ? TokenChange
            : C extends TopTokensChannel
              ? TopTokens
              : TradeUpdate;

export type ErrorCode =
  | "bad_json"
  | "bad_message"
  | "unknown_type"
  | "unknown_channel"
  | "unknown_symbol"
  | "unknown_interval"
  | "too_many_subscriptions"
  | "not_subscribed"
  | "unauthorized"
  | "other_user"
  | "unavailable";

type Id = string | number;

export interface SystemMessage {
  readonly type: "system";
  readonly data: { readonly message?: string; readonly symbols?: readonly string[]; readonly ping?: number };
}
export interface SubscribedMessage {
  readonly type: "subscribed";
  readonly channel: string;
  readonly id?: Id;
  /** The snapshot; missing where `recovered` says that what was missed follows instead. */
  readonly data?: unknown;
  readonly recovered?: boolean;
  readonly offset?: number;
  readonly epoch?: string;
}
export interface UnsubscribedMessage {
  readonly type: "unsubscribed";
  readonly channel: string;
  readonly id?: Id;
}
interface MarketMessage {
  readonly type: "price_update" | "candle_update" | "trade_update" | "tickers_update" | "stats_update" | "token_update" | "tokens_update";
  readonly channel: string;
  readonly data: Quote | CandleMessage | TradeUpdate | readonly TickerUpdate[] | TradeStats | TokenChange | TopTokens;
}
export type ChangeMessage = MarketMessage | UserMessage;
export interface AuthenticatedMessage {
  readonly type: "authenticated";
  readonly id?: Id;
}
export interface PongMessage {
  readonly type: "pong";
  readonly id?: Id;
  /** The hub's clock, ISO 8601. */
  readonly timestamp?: string;
}
export interface ErrorMessage {
  readonly type: "error";
  /** One of `ErrorCode`; a newer hub may know more. */
  readonly code: ErrorCode | (string & {});
  readonly message: string;
  readonly channel?: string;
  readonly id?: Id;
}

export type HubMessage =
  | SystemMessage
  | SubscribedMessage
  | UnsubscribedMessage
  | AuthenticatedMessage
  | ChangeMessage
  | PongMessage
  | ErrorMessage;

/** `null`: not the protocol. `undefined`: well-formed, but of a type that this client does not know. */
export function parseMessage(text: unknown): HubMessage | null | undefined {
  if (typeof text !== "string") return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || typeof value.type !== "string") return null;
  switch (value.type) {
    case "pong":
    case "authenticated":
      return value as unknown as PongMessage | AuthenticatedMessage;
    case "system":
      return isRecord(value.data) ? (value as unknown as SystemMessage) : null;
    case "error":
      return typeof value.code === "string" && typeof value.message === "string"
        ? (value as unknown as ErrorMessage)
        : null;
    case "subscribed":
      return typeof value.channel === "string" && (value.recovered === true || isSnapshot(value.channel, value.data))
        ? (value as unknown as SubscribedMessage)
        : null;
    case "unsubscribed":
      return typeof value.channel === "string" ? (value as unknown as UnsubscribedMessage) : null;
    case "price_update":
      return change(value, isQuote);
    case "candle_update":
      return change(value, isCandle);
    case "trade_update":
      return change(value, isTradeUpdate);
    case "tickers_update":
      return change(value, (data) => isListOf(data, isTickerUpdate));
    case "stats_update":
      return change(value, isTradeStats);
    case "token_update":
      return change(value, isTokenChange);
    case "tokens_update":
      return change(value, isTopTokens);
    default:
      return isUserMessageType(value.type) ? userChange(value.type, value) : undefined;
  }
}

type Fields = Record<string, unknown>;

function change(value: Fields, holds: (data: unknown) => boolean): ChangeMessage | null {
  return typeof value.channel === "string" && holds(value.data) ? (value as unknown as ChangeMessage) : null;
}

function userChange(type: UserMessage["type"], value: Fields): ChangeMessage | null {
  const known = value.channel === "user" && typeof value.timestamp === "string" && holdsUserData(type, value.data);
  return known ? (value as unknown as ChangeMessage) : null;
}

function isSnapshot(channel: string, data: unknown): boolean {
  if (channel.startsWith("price:")) return data === null || isQuote(data);
  if (channel.startsWith("candle:")) return isRecord(data) && isListOf(data.candles, isCandle);
  if (channel.startsWith("trade:")) return isRecord(data) && isListOf(data.trades, isTrade);
  if (channel === "tickers") return data === null || isMarketList(data);
  if (channel === "user") return isUserSnapshot(data);
  if (channel === "stats:trades") return data === null || isTradeStats(data);
  if (channel.startsWith("token:")) return isTokenSnapshot(data);
  if (channel === "tokens:top") return data === null || isTopTokens(data);
  return true;
}

function isQuote(data: unknown): boolean {
  return (
    isRecord(data) &&
    [data.originalPrice, data.bidPrice, data.askPrice].every(isDecimal) &&
    typeof data.timestamp === "number"
  );
}

function isCandle(data: unknown): boolean {
  return (
    isRecord(data) &&
    Number.isFinite(data.time) &&
    [data.open, data.high, data.low, data.close, data.volume].every(isDecimal)
  );
}

function isTradeUpdate(data: unknown): boolean {
  return isRecord(data) && isListOf(data.trades, isTrade);
}

function isTrade(data: unknown): boolean {
  return isRecord(data) && isDecimal(data.price) && isDecimal(data.size) && typeof data.time === "number";
}

function isListOf(value: unknown, holds: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(holds);
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
