/** What the server offers: symbols, intervals, and where the hub is. */

import { ApiError, getJson } from "@openoutcry/client";
import { KNOWN_INTERVALS } from "./intervals.ts";

export interface MarketSymbol {
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  readonly priceScale: number;
  readonly sizeScale: number;
}

export interface Config {
  readonly symbols: readonly MarketSymbol[];
  readonly intervals: readonly string[];
  readonly hubUrl: string;
  readonly version: string;
  /** False: prices, candles and trades are for whoever has signed in. */
  readonly publicMarketData: boolean;
  /** Where bots may trade with real money; empty where live trading is off. */
  readonly liveExchanges: readonly string[];
  /** Whether anybody may make an account. */
  readonly signUp: boolean;
  /** Whether a chain is followed, so that there are tokens. */
  readonly tokens: boolean;
}

interface Answer {
  readonly symbols?: readonly MarketSymbol[];
  readonly intervals?: readonly string[];
  readonly wsUrl?: string;
  readonly wsPort?: number;
  readonly version?: string;
  readonly publicMarketData?: boolean;
  readonly liveExchanges?: readonly string[];
  readonly signUp?: boolean;
  readonly tokens?: boolean;
}

const HUB_PATH = "/api/v1/ws/app";

/** Throws `ApiError`. */
export async function loadConfig(signal?: AbortSignal): Promise<Config> {
  const answer = (await getJson("/api/v1/config", signal ? { signal } : {})) as Answer | null;
  if (!answer || !Array.isArray(answer.symbols)) throw new ApiError("malformed", "The server's configuration names no symbols.");
  return {
    symbols: answer.symbols,
    intervals: KNOWN_INTERVALS.filter((name) => answer.intervals?.includes(name) ?? true),
    hubUrl: hubUrl(answer.wsUrl ?? "", answer.wsPort ?? 8001, location),
    version: answer.version ?? "",
    publicMarketData: answer.publicMarketData ?? true,
    liveExchanges: answer.liveExchanges ?? [],
    signUp: answer.signUp ?? false,
    tokens: answer.tokens ?? false,
  };
}

/** `wsUrl` if it is set, else this page's own host on `wsPort`. */
export function hubUrl(wsUrl: string, wsPort: number, page: Pick<Location, "protocol" | "hostname">): string {
  if (wsUrl !== "") return wsUrl.replace(/\/+$/, "") + HUB_PATH;
  const scheme = page.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${page.hostname}:${wsPort}${HUB_PATH}`;
}

/** `BTC/USDT`. */
export function pairOf(market: MarketSymbol): string {
  return `${market.base}/${market.quote}`;
}
