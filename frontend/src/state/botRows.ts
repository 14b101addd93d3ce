/** The list of bots as it is shown: valued at live prices, filtered, in order. Pure. */

import { type Bot, decimal, livePnl } from "@openoutcry/client";

export interface BotRow {
  readonly bot: Bot;
  readonly bid: string | null;
  /** Realised less fees plus unrealised; null while a price is needed and none is known. */
  readonly pnl: string | null;
}

export type StatusFilter = "all" | "active" | "stopped" | "error";

export interface BotFilter {
  readonly status: StatusFilter;
  readonly query: string;
}

export function botRows(bots: Iterable<Bot>, filter: BotFilter, bidOf: (ticker: string) => string | null): readonly BotRow[] {
  const wanted = filter.query.trim().toLowerCase();
  return [...bots]
    .filter((bot) => filter.status === "all" || bot.status === filter.status.toUpperCase())
    .filter((bot) => wanted === "" || `${bot.name} ${bot.ticker} ${bot.strategy}`.toLowerCase().includes(wanted))
    .sort((a, b) => b.id - a.id)
    .map((bot) => {
      const bid = bidOf(bot.ticker);
      return { bot, bid, pnl: livePnl(bot, bid) };
    });
}

export interface BotTotals {
  readonly active: number;
  readonly errors: number;
  readonly count: number;
  readonly trades: number;
  /** By quote asset: dollars and bitcoins do not add up. */
  readonly byAsset: readonly { readonly asset: string; readonly pnl: string; readonly fees: string; readonly complete: boolean }[];
}

export function botTotals(rows: readonly BotRow[], quoteOf: (ticker: string) => string): BotTotals {
  const sums = new Map<string, { pnl: string; fees: string; complete: boolean }>();
  for (const { bot, pnl } of rows) {
    const asset = quoteOf(bot.ticker);
    const sum = sums.get(asset) ?? { pnl: "0", fees: "0", complete: true };
    sum.pnl = decimal.add(sum.pnl, pnl ?? bot.pnl);
    sum.fees = decimal.add(sum.fees, bot.fees);
    sum.complete &&= pnl !== null;
    sums.set(asset, sum);
  }
  return {
    active: rows.filter(({ bot }) => bot.status === "ACTIVE").length,
    errors: rows.filter(({ bot }) => bot.status === "ERROR").length,
    count: rows.length,
    trades: rows.reduce((total, { bot }) => total + bot.total_trades, 0),
    byAsset: [...sums].map(([asset, sum]) => ({ asset, ...sum })),
  };
}
