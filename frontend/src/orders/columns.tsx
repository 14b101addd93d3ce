/** The columns of orders and of fills. */

import { type Fill, isOpen, type Order } from "@openoutcry/client";
import { botName } from "../app/BotSelect.tsx";
import { RealBadge } from "../app/RealBadge.tsx";
import type { TableColumn } from "../app/Table.tsx";
import { Amount } from "../panels/Amount.tsx";
import type { Actions } from "../state/actions.ts";
import type { Desk } from "../state/desk.ts";
import { isReal } from "../state/botForm.ts";
import { decimal } from "../state/format.ts";
import { gain, money, toneOf } from "../state/money.ts";
import type { KeyedFill } from "../state/orderFeed.ts";
import { marketOf } from "../state/tickers.ts";
import { stamp } from "../state/times.ts";

const STATUS: Readonly<Record<Order["status"], string>> = {
  PENDING: "Pending", PARTIALLY_FILLED: "Partly filled", FILLED: "Filled", CANCELLED: "Cancelled", FAILED: "Failed",
};

type Traded = Pick<Order | Fill, "bot_id" | "ticker" | "side">;

function common<T extends Traded>(desk: Desk, timeOf: (item: T) => string): readonly TableColumn<T>[] {
  return [
    { id: "time", label: "Time (UTC)", cell: (item) => stamp(timeOf(item)) },
    { id: "side", label: "Side", cell: ({ side }) => <span class={side === "BUY" ? "up" : "down"}>{side === "BUY" ? "Buy" : "Sell"}</span> },
    {
      id: "market",
      label: "Market",
      cell: ({ ticker }) => {
        const { base, quote } = marketOf(desk.config, ticker);
        return <>{base}<span class="slash">/{quote}</span></>;
      },
    },
    {
      id: "bot",
      label: "Bot",
      cell: ({ bot_id }) => {
        const bot = desk.trading.state.value.bots.get(bot_id);
        return <><span title={botName(desk, bot_id)}>{botName(desk, bot_id)}</span>{bot && isReal(bot) && <RealBadge exchange={bot.exchange} />}</>;
      },
    },
  ];
}

export function orderColumns(desk: Desk, actions: Actions): readonly TableColumn<Order>[] {
  const market = (ticker: string) => marketOf(desk.config, ticker);
  return [
    ...common<Order>(desk, ({ created_at }) => created_at),
    { id: "price", label: "Price", cell: ({ price, ticker }) => (price === null ? <span class="none">Market</span> : decimal(price, market(ticker).priceScale)) },
    {
      id: "quantity",
      label: "Filled of quantity",
      cell: ({ filled_quantity, quantity, status, ticker }) => (
        <>{isOpen(status) || status === "FILLED" || Number(filled_quantity) > 0 ? decimal(filled_quantity) : "0"}<span class={status === "FILLED" ? "slash of-whole" : "slash"}> / {decimal(quantity)}</span> <span class="unit">{market(ticker).base}</span></>
      ),
    },
    {
      id: "average",
      label: "Average",
      cell: ({ average_price, ticker }) => (average_price === null ? <span class="none">—</span> : decimal(Number(average_price).toFixed(market(ticker).priceScale), market(ticker).priceScale)),
    },
    {
      id: "status",
      label: "Status",
      cell: ({ status, reason }) => (
        <span class="state" data-tone={isOpen(status) ? "open" : status.toLowerCase()} title={reason ?? undefined}>
          <i aria-hidden="true" />{STATUS[status] ?? status}{reason && <span class="sub">{reason}</span>}
        </span>
      ),
    },
    {
      id: "do",
      label: "",
      cell: (order) =>
        isOpen(order.status) && (
          <span class="row-buttons">
            <button
              type="button" tabIndex={-1} class="text-button" title="Cancel the order; its bot is stopped" aria-label={`Cancel ${order.client_order_id}`}
              disabled={actions.busy.value.has(`order:${order.client_order_id}`)} onClick={() => void actions.cancel(order)}
            >
              <span>Cancel</span><i aria-hidden="true">✕</i>
            </button>
          </span>
        ),
    },
  ];
}

export function fillColumns(desk: Desk): readonly TableColumn<KeyedFill>[] {
  const market = (ticker: string) => marketOf(desk.config, ticker);
  return [
    ...common<KeyedFill>(desk, ({ time }) => time),
    { id: "price", label: "Price", cell: ({ price, ticker }) => <Amount text={price} digits={market(ticker).priceScale} /> },
    { id: "quantity", label: "Quantity", cell: ({ quantity, ticker }) => <>{decimal(quantity)} <span class="unit">{market(ticker).base}</span></> },
    { id: "fee", label: "Fee", cell: ({ fee, ticker }) => <>{money(fee, market(ticker).quote)} <span class="unit">{market(ticker).quote}</span></> },
    {
      id: "pnl",
      label: "Realised",
      title: "Against what was paid for it, before the fee",
      cell: ({ realized_pnl, ticker }) => {
        const { quote } = market(ticker);
        return Number(realized_pnl) === 0 ? <span class="none">—</span> : <span class={toneOf(realized_pnl, quote)}>{gain(realized_pnl, quote)}</span>;
      },
    },
  ];
}
