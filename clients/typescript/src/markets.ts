/** Every market's 24 h figures: as the list answers them, and as the `tickers` channel changes them. */

/** Where the prices come from: the exchange's stream, its REST, or nowhere yet. */
export type PriceSource = "stream" | "rest" | "none";

/** One market over the last 24 h; exact decimal strings. `change` and `changePercent` are against the open. */
export interface Market {
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  readonly price: string;
  readonly change: string;
  readonly changePercent: string;
  readonly high: string;
  readonly low: string;
  /** In the base asset. */
  readonly volume: string;
  readonly quoteVolume: string;
  /** Recorded here: there are candles and live trades of it. */
  readonly carried: boolean;
  /** 24 hourly prices, oldest first; null where none are known. */
  readonly sparkline: readonly number[] | null;
}

export interface MarketList {
  readonly source: PriceSource;
  /** Seconds since the prices were true; null where there are none. */
  readonly age: number | null;
  /** The prices are older than they should be. */
  readonly stale: boolean;
  readonly markets: readonly Market[];
}

/** What changed of one market; what is not in it stays. */
export type TickerUpdate = Pick<Market, "symbol"> & Partial<Market>;

const DECIMALS = ["price", "change", "changePercent", "high", "low", "volume", "quoteVolume"] as const;

export function isMarketList(body: unknown): body is MarketList {
  if (typeof body !== "object" || body === null || !("markets" in body)) return false;
  return Array.isArray(body.markets) && body.markets.every(isMarket);
}

export function isTickerUpdate(item: unknown): item is TickerUpdate {
  if (typeof item !== "object" || item === null) return false;
  const fields = item as Record<string, unknown>;
  return typeof fields.symbol === "string" && DECIMALS.every((key) => fields[key] === undefined || isDecimal(fields[key]));
}

function isMarket(item: unknown): item is Market {
  if (!isTickerUpdate(item)) return false;
  const fields = item as Partial<Record<keyof Market, unknown>>;
  return typeof fields.base === "string" && typeof fields.quote === "string" && isDecimal(fields.price);
}

function isDecimal(value: unknown): value is string {
  return typeof value === "string" && value !== "" && Number.isFinite(Number(value));
}
