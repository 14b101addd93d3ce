/** Bots at live prices. */

import { type Bot, livePnl } from "@openoutcry/client";
import type { Desk } from "./desk.ts";

/** Realised less fees plus unrealised; null while a price is needed and none is known. */
export function livePnlOf(desk: Pick<Desk, "trading">, bot: Bot): string | null {
  return livePnl(bot, desk.trading.bids.of(bot.ticker));
}
