/** The columns of the list of bots. */

import type { Bot } from "@openoutcry/client";
import type { BotsView } from "./page.tsx";
import { RealBadge } from "../app/RealBadge.tsx";
import type { TableColumn } from "../app/Table.tsx";
import { isReal } from "../state/botForm.ts";
import type { BotRow } from "../state/botRows.ts";
import { decimal } from "../state/format.ts";
import { gain, toneOf } from "../state/money.ts";
import { marketOf } from "../state/tickers.ts";
import { ago } from "../state/times.ts";

const STATUS: Record<Bot["status"], string> = { ACTIVE: "Running", STOPPED: "Stopped", ERROR: "Error" };

export function botColumns({ desk, actions, over, turn, clone }: BotsView): readonly TableColumn<BotRow>[] {
  const market = (ticker: string) => marketOf(desk.config, ticker);
  return [
    {
      id: "run",
      label: "On",
      cell: ({ bot }) => (
        <button
          type="button"
          class="switch"
          role="switch"
          tabIndex={-1}
          aria-checked={bot.status === "ACTIVE"}
          aria-label={`${bot.name}: ${STATUS[bot.status]}`}
          title={bot.status === "ACTIVE" ? "Stop" : "Start"}
          disabled={actions.busy.value.has(`bot:${bot.id}`)}
          onClick={() => turn(bot)}
        />
      ),
    },
    { id: "name", label: "Bot", cell: ({ bot }) => <><b title={bot.name}>{bot.name}</b>{isReal(bot) && <RealBadge exchange={bot.exchange} />}<span class="sub">{bot.strategy}</span></> },
    {
      id: "market",
      label: "Market",
      cell: ({ bot }) => {
        const { base, quote } = market(bot.ticker);
        return <>{base}<span class="slash">/{quote}</span></>;
      },
    },
    { id: "status", label: "Status", cell: ({ bot }) => <span class="state" data-tone={bot.status.toLowerCase()}><i aria-hidden="true" />{STATUS[bot.status]}</span> },
    {
      id: "position",
      label: "Position",
      cell: ({ bot }) => {
        if (Number(bot.position.quantity) === 0) return <span class="none">—</span>;
        const { base, priceScale } = market(bot.ticker);
        const average = bot.position.average_price;
        return <>{decimal(bot.position.quantity)} <span class="unit">{base}</span>{average && <span class="sub">at {decimal(trimmed(average, priceScale), priceScale)}</span>}</>;
      },
    },
    {
      id: "pnl",
      label: "PnL",
      title: "Realised less fees, and what the position would fetch at the bid",
      cell: ({ bot, pnl }) => {
        const { quote } = market(bot.ticker);
        if (pnl === null) return <span class="none" title="Waiting for a price">…</span>;
        return <span class={toneOf(pnl, quote)} data-testid="pnl">{gain(pnl, quote)}<span class="unit"> {quote}</span></span>;
      },
    },
    { id: "trades", label: "Fills", cell: ({ bot }) => bot.total_trades.toLocaleString() },
    { id: "wins", label: "Wins", title: "Of the fills that closed something", cell: ({ bot }) => (bot.win_rate === null ? <span class="none">—</span> : `${Math.round(Number(bot.win_rate))}%`) },
    {
      id: "last",
      label: "Last fill",
      cell: ({ bot }) => {
        if (bot.last_fill_at === null || bot.last_fill_price === null) return <span class="none">—</span>;
        const side = bot.last_fill_side === "SELL" ? "down" : "up";
        const { priceScale } = market(bot.ticker);
        return (
          <>
            <span class={side}>{bot.last_fill_side === "SELL" ? "Sold" : "Bought"}</span> {decimal(trimmed(bot.last_fill_price, priceScale), priceScale)}
            <span class="sub">{ago(bot.last_fill_at)}</span>
          </>
        );
      },
    },
    {
      id: "do",
      label: "",
      cell: ({ bot }) => (
        <span class="row-buttons">
          <button type="button" tabIndex={-1} class="icon-button" title="Clone" aria-label={`Clone ${bot.name}`} onClick={() => void clone(bot)}>
            <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M9 9h10v10H9zM5 15V5h10" /></svg>
          </button>
          <button type="button" tabIndex={-1} class="icon-button" title="Delete" aria-label={`Delete ${bot.name}`} onClick={() => void (over.value = { kind: "delete", id: bot.id })}>
            <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12" /></svg>
          </button>
        </span>
      ),
    },
  ];
}

/** A quotient has twelve digits; what is shown needs no more than the market's prices, and a few. */
function trimmed(price: string, scale: number): string {
  const point = price.indexOf(".");
  return point < 0 ? price : price.slice(0, point + 1 + Math.max(scale, 2)).replace(/\.$/, "");
}
