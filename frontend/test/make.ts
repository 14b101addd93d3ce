/** Short ways to make test values. */

import type { Bot, Market, Token, TokenTrade } from "@openoutcry/client";
import type { Bar } from "../src/state/bars.ts";

export function bar(time: number, change: Partial<Bar> = {}): Bar {
  return { time, open: "1", high: "3", low: "1", close: "2", volume: "5", trades: 4, complete: true, ...change };
}

export const times = (bars: readonly Bar[]): number[] => bars.map(({ time }) => time);

export function market(symbol: string, base: string, quote: string, change: Partial<Market> = {}): Market {
  return {
    symbol, base, quote, price: "1", change: "0", changePercent: "0", high: "1", low: "1",
    volume: "1", quoteVolume: "1", carried: false, sparkline: null, ...change,
  };
}

export function bot(id: number, change: Partial<Bot> = {}): Bot {
  const at = "2026-01-01T00:00:00.000Z";
  return {
    id, name: `bot ${id}`, strategy: "scalper", exchange: "paper", ticker: "BTCUSDT", status: "STOPPED", parameters: {}, limits: {},
    leverage: "1", pnl: "0", realized_pnl: "0", fees: "0", position: { quantity: "0", cost: "0" }, total_trades: 0, win_rate: null,
    last_fill_price: null, last_fill_side: null, last_fill_at: null, created_at: at, updated_at: at, ...change,
  };
}

export function token(address: string, change: Partial<Token> = {}): Token {
  return {
    address, name: address, symbol: address.slice(-3).toUpperCase(), decimals: 18, launchpad: "sample", creator: "0xcafe", createdAt: 1_000, graduatedAt: null,
    currentPrice: "1", marketCap: "10", supply: "10", reserve: "1", target: "4", progressPercent: 25, holderCount: 2, tradeCount: 3,
    volume24h: "1", volume7d: "2", volumeTotal: "3", ...change,
  };
}

export function tokenTrade(blockNumber: number, logIndex = 0, change: Partial<TokenTrade> = {}): TokenTrade {
  return {
    txHash: `0x${blockNumber}${logIndex}`, blockNumber, blockHash: `0xb${blockNumber}`, logIndex, time: blockNumber * 1_000, side: "buy", trader: "0xa",
    eth: "1", tokens: "10", price: "0.1", ...change,
  };
}
