/** What open positions are worth at live prices. Pure, exact. */

import { add, multiply, sign, subtract } from "../decimal.ts";
import type { Bot } from "./types.ts";

/** Unrealised PnL in the quote asset: what the position would fetch at `bid`, less what it cost. "0" without a position. */
export function unrealized({ position }: Pick<Bot, "position">, bid: string): string {
  if (sign(position.quantity) === 0) return "0";
  return subtract(multiply(position.quantity, bid), position.cost);
}

/** Realised less fees plus unrealised; null while a price is needed and none is known. */
export function livePnl(bot: Pick<Bot, "position" | "pnl">, bid: string | null): string | null {
  if (sign(bot.position.quantity) === 0) return bot.pnl;
  return bid === null ? null : add(bot.pnl, unrealized(bot, bid));
}
