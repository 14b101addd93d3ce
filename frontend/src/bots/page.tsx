/** All bots: what they do, what they have earned, and everything that can be told to them. */

import type { Bot } from "@openoutcry/client";
import { signal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { BotSheet } from "./BotSheet.tsx";
import { botColumns } from "./columns.tsx";
import { DeleteSheet } from "./DeleteSheet.tsx";
import { BotsHead } from "./Head.tsx";
import { KillSheet } from "./KillSheet.tsx";
import { RealSheet } from "./RealSheet.tsx";
import { Gate } from "../app/Gate.tsx";
import { listenForKeys } from "../app/keys.ts";
import { KillNotice } from "../app/KillNotice.tsx";
import { Unready } from "../app/Listing.tsx";
import type { Page } from "../app/pages.ts";
import { Table } from "../app/Table.tsx";
import { Actions } from "../state/actions.ts";
import { isReal } from "../state/botForm.ts";
import { type BotFilter, botRows } from "../state/botRows.ts";
import type { Desk } from "../state/desk.ts";

/** What lies over the page. */
export type Over =
  | { readonly kind: "new" }
  | { readonly kind: "bot"; readonly id: number }
  | { readonly kind: "delete" | "start" | "clone"; readonly id: number }
  | { readonly kind: "kill" };

export interface BotsView {
  readonly desk: Desk;
  readonly actions: Actions;
  readonly filter: Signal<BotFilter>;
  readonly over: Signal<Over | null>;
  /** Start or stop; where real money begins to move, after a question. */
  turn(bot: Bot): void;
  /** Answers whether it is done; real money is asked about first. */
  clone(bot: Bot): Promise<boolean>;
}

export function start(desk: Desk): Page {
  const stopPrices = desk.trading.withPrices();
  const actions = new Actions(desk);
  const over = signal<Over | null>(null);
  const view: BotsView = {
    desk,
    actions,
    filter: signal<BotFilter>({ status: "all", query: "" }),
    over,
    turn(bot) {
      if (isReal(bot) && bot.status !== "ACTIVE") over.value = { kind: "start", id: bot.id };
      else void actions.toggle(bot);
    },
    async clone(bot) {
      if (!isReal(bot)) return actions.clone(bot);
      over.value = { kind: "clone", id: bot.id };
      return false;
    },
  };
  return {
    Tools: () => null,
    Main: () => <Gate desk={desk} title="Bots" what="Bots trade for you, on paper, on the prices that you see here."><Bots view={view} /></Gate>,
    stop: stopPrices,
  };
}

function Bots({ view }: { readonly view: BotsView }) {
  const { desk, filter, over } = view;
  const { trading } = desk;
  useEffect(
    () =>
      listenForKeys({
        n: () => void (over.value = { kind: "new" }),
        "/": () => document.getElementById("find-bot")?.focus(),
      }),
    [],
  );

  void trading.bids.revision.value;
  const state = trading.state.value;
  const all = botRows(state.bots.values(), { status: "all", query: "" }, (ticker) => trading.bids.of(ticker));
  const rows = botRows(state.bots.values(), filter.value, (ticker) => trading.bids.of(ticker));
  const close = (): void => void (over.value = null);
  const at = over.value;
  const bot = at && "id" in at ? state.bots.get(at.id) : undefined;
  return (
    <>
      <BotsHead view={view} rows={all} />
      <KillNotice desk={desk} />
      <div class="board">
        {!state.ready && all.length === 0 && <Unready desk={desk} what="bots" />}
        {state.ready && all.length === 0 && (
          <div class="notice" role="status" data-testid="empty">
            <h2>No bots yet</h2>
            <p>A bot buys and sells by one strategy on one market, with paper money, on the live prices.</p>
            <button type="button" class="button" onClick={() => void (over.value = { kind: "new" })}>New bot</button>
          </div>
        )}
        {all.length > 0 && (
          <Table
            name="bots"
            label="Bots"
            items={rows}
            columns={botColumns(view)}
            keyOf={({ bot: { id } }) => String(id)}
            toneOf={({ bot: { status } }) => status.toLowerCase()}
            onOpen={({ bot: { id } }) => void (over.value = { kind: "bot", id })}
            onKey={(key, { bot: one }) => {
              if (key === "s" || key === " ") view.turn(one);
              else if (key === "c") void view.clone(one);
              else if (key === "Delete" || key === "Backspace") over.value = { kind: "delete", id: one.id };
              else if (key === "o") location.hash = `#orders?tab=orders&bot=${one.id}`;
              else if (key === "l") location.hash = `#activity?bot=${one.id}`;
              else return false;
              return true;
            }}
          />
        )}
        {all.length > 0 && rows.length === 0 && (
          <div class="notice" role="status" data-testid="nothing-found">
            <h2>No such bot</h2>
            <button type="button" class="button" onClick={() => void (filter.value = { status: "all", query: "" })}>Show all bots</button>
          </div>
        )}
      </div>
      {at?.kind === "new" && <BotSheet view={view} bot={null} onClose={close} />}
      {at?.kind === "bot" && bot && <BotSheet key={bot.id} view={view} bot={bot} onClose={close} />}
      {at?.kind === "delete" && bot && <DeleteSheet view={view} bot={bot} onClose={close} />}
      {(at?.kind === "start" || at?.kind === "clone") && bot && <RealSheet key={`${at.kind} ${bot.id}`} view={view} bot={bot} what={at.kind} onClose={close} />}
      {at?.kind === "kill" && <KillSheet view={view} onClose={close} />}
    </>
  );
}
