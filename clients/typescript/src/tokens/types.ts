/** Tokens of a launchpad: their figures, trades and candles, as REST answers them and the hub tells them. */

import { isDecimal } from "../decimal.ts";

/** By what a list of tokens is ordered: volume in the last 24 hours, the last 7 days or ever, or the newest first. */
export type TokenWindow = "24h" | "7d" | "total" | "new";

/**
 * A token now. Addresses are lower-case `0x…`; amounts exact decimals of whole units, of ether where nothing else
 * is said; times in ms since 1970.
 */
export interface Token {
  readonly address: string;
  readonly name: string;
  readonly symbol: string;
  readonly decimals: number;
  readonly launchpad: string;
  readonly creator: string;
  readonly createdAt: number | null;
  /** When its curve reached its target and closed. */
  readonly graduatedAt: number | null;
  /** In ether for a whole token; null before the first trade. */
  readonly currentPrice: string | null;
  readonly marketCap: string | null;
  /** In tokens: what circulates. */
  readonly supply: string;
  /** What lies in the curve. */
  readonly reserve: string;
  /** At which reserve it graduates. */
  readonly target: string | null;
  /** 0 to 100; 100 once it has graduated; null where there is no target. */
  readonly progressPercent: number | null;
  readonly holderCount: number;
  readonly tradeCount: number;
  readonly volume24h: string;
  readonly volume7d: string;
  readonly volumeTotal: string;
}

/** One purchase from a curve, or sale to it. `tokens` in tokens, `eth` and `price` in ether. */
export interface TokenTrade {
  readonly txHash: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly logIndex: number;
  readonly time: number;
  readonly side: "buy" | "sell";
  readonly trader: string;
  readonly eth: string;
  readonly tokens: string;
  readonly price: string;
}

/** A token of its own page, with where its market cap was worked out. */
export interface TokenDetail extends Token {
  /** Of the supply that the chain told, or of the one that is stored. */
  readonly marketCapSource: "chain" | "store";
  readonly block: number | null;
}

export interface TokenList {
  readonly window: TokenWindow;
  readonly block: number | null;
  readonly asOf: number;
  readonly tokens: readonly Token[];
}

/** What was found of `query`, without the spaces around it. */
export interface TokensFound {
  readonly query: string;
  readonly block: number | null;
  readonly asOf: number;
  readonly tokens: readonly Token[];
}

/** One bucket: `volume` in tokens, the quote volumes in ether. `time` is its start, ms since 1970. */
export interface TokenCandle {
  readonly time: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  readonly quoteVolume: string;
  readonly trades: number;
  readonly buys: number;
  readonly buyQuoteVolume: string;
}

export interface TokenCandleQuery {
  /** One minute or longer. */
  readonly interval: string;
  /** ms since 1970; both ends are included, by bucket start. */
  readonly start: number;
  readonly end: number;
  readonly limit?: number;
}

/** What was traded in a stretch of time or of sizes, in ether. */
export interface Traded {
  readonly volume: string;
  readonly trades: number;
  readonly buys: number;
  readonly buyVolume: string;
}

export interface TradedHour extends Traded {
  /** ms since 1970. */
  readonly time: number;
}

/** Trades of at least `from` ether and less than `to`: powers of ten. */
export interface TradedSize extends Traded {
  readonly from: string;
  readonly to: string;
}

export interface VolumeDistribution {
  readonly window: "24h" | "7d";
  /** Ascending; hours without trades are left out. */
  readonly hours: readonly TradedHour[];
  readonly sizes: readonly TradedSize[];
}

export interface TokenHolder {
  readonly address: string;
  /** In tokens. */
  readonly balance: string;
  /** Of the supply; null while there is none. */
  readonly percent: number | null;
  /** Null for one that was only given tokens. */
  readonly firstBoughtAt: number | null;
  readonly lastActiveAt: number;
}

export interface HolderPage {
  readonly holderCount: number;
  readonly supply: string;
  /** The largest first. */
  readonly holders: readonly TokenHolder[];
  /** What share of the supply the largest hold. */
  readonly distribution: Readonly<Record<string, number | null>>;
  readonly next: string | null;
}

export interface TokenTradePage {
  /** Newest first. */
  readonly trades: readonly TokenTrade[];
  readonly next: string | null;
}

export interface PlatformVolume {
  readonly volume24h: string;
  readonly volume7d: string;
  readonly volumeTotal: string;
  readonly tokenCount: number;
  readonly tradeCount: number;
  readonly block: number | null;
  readonly asOf: number;
  /** Of the last 7 days, ascending; hours without trades are left out. */
  readonly hours: readonly TradedHour[];
}

/** What `GET /api/trades/price/{address}` answers. */
export interface TokenPrice {
  readonly currentPrice: string | null;
  readonly marketCap: string | null;
  readonly volume24h: string;
  readonly volume7d: string;
  readonly volumeTotal: string;
  readonly holderCount: number;
  readonly progressPercent: number | null;
}

/** What a confirmed trade has made of its token; volumes and market cap in wei. */
export interface ConfirmedTrade {
  readonly volumeMetrics: { readonly volume24h: string; readonly volume7d: string; readonly volumeTotal: string };
  readonly marketCap: string | null;
  readonly holderCount: number;
  readonly message: string;
}

/** What the channel `token:<address>` begins with: the newest 50 trades, newest first. */
export interface TokenSnapshot {
  readonly token: Token;
  readonly trades: readonly TokenTrade[];
}

/** What it goes on with. Trades of the blocks in `undone` never were. */
export interface TokenChange {
  readonly token: Token;
  readonly trades: readonly TokenTrade[];
  readonly undone: readonly string[];
}

/** What the channel `tokens:top` tells: the 50 with the most volume in 24 hours. Its snapshot may be null: none are known yet. */
export interface TopTokens {
  readonly window: TokenWindow;
  readonly tokens: readonly Token[];
}

type Fields = Record<string, unknown>;

const AMOUNTS = ["supply", "reserve", "volume24h", "volume7d", "volumeTotal"] as const;
const PERHAPS = ["currentPrice", "marketCap", "target"] as const;

export function isToken(item: unknown): item is Token {
  return (
    isFields(item) &&
    [item.address, item.name, item.symbol].every((text) => typeof text === "string") &&
    AMOUNTS.every((name) => isDecimal(item[name])) &&
    PERHAPS.every((name) => item[name] === null || isDecimal(item[name])) &&
    Number.isFinite(item.holderCount) && Number.isFinite(item.tradeCount)
  );
}

export function isTokenTrade(item: unknown): item is TokenTrade {
  return (
    isFields(item) &&
    [item.txHash, item.blockHash, item.trader].every((text) => typeof text === "string") &&
    [item.blockNumber, item.logIndex, item.time].every(Number.isFinite) &&
    (item.side === "buy" || item.side === "sell") &&
    [item.eth, item.tokens, item.price].every(isDecimal)
  );
}

export function isTokenSnapshot(data: unknown): data is TokenSnapshot {
  return isFields(data) && isToken(data.token) && isListOf(data.trades, isTokenTrade);
}

export function isTokenChange(data: unknown): data is TokenChange {
  return isFields(data) && isTokenSnapshot(data) && isListOf((data as Fields).undone, (hash) => typeof hash === "string");
}

export function isTopTokens(data: unknown): data is TopTokens {
  return isFields(data) && isListOf(data.tokens, isToken);
}

export function isTraded(item: unknown): item is Traded {
  return isFields(item) && isDecimal(item.volume) && isDecimal(item.buyVolume) && Number.isFinite(item.trades) && Number.isFinite(item.buys);
}

export function isTradedHour(item: unknown): item is TradedHour {
  return isTraded(item) && Number.isFinite((item as unknown as Fields).time);
}

export function isTradedSize(item: unknown): item is TradedSize {
  return isTraded(item) && isDecimal((item as unknown as Fields).from) && isDecimal((item as unknown as Fields).to);
}

export function isHolder(item: unknown): item is TokenHolder {
  return isFields(item) && typeof item.address === "string" && isDecimal(item.balance) && (item.percent === null || Number.isFinite(item.percent)) && Number.isFinite(item.lastActiveAt);
}

export function isListOf(value: unknown, holds: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(holds);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
