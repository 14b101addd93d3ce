/** What bots have ordered and what was traded. */

import { type Fill, isOpen, type Order } from "@openoutcry/client";
import { useEffect, useState } from "preact/hooks";
import { fillColumns, orderColumns } from "./columns.tsx";
import { BotSelect } from "../app/BotSelect.tsx";
import { Chip, ChipSelect } from "../app/Chip.tsx";
import { Gate } from "../app/Gate.tsx";
import { listenForKeys } from "../app/keys.ts";
import { KillNotice } from "../app/KillNotice.tsx";
import { Listing, Unready } from "../app/Listing.tsx";
import type { Page } from "../app/pages.ts";
import { Table } from "../app/Table.tsx";
import { Actions } from "../state/actions.ts";
import { type Addressed, addressed } from "../state/addressed.ts";
import type { Desk } from "../state/desk.ts";
import { followFills, followOrders, type Live, type OrderFilter } from "../state/orderFeed.ts";

const STATUSES: readonly (readonly [string, string])[] = [
  ["", "Any status"], ["PENDING", "Pending"], ["PARTIALLY_FILLED", "Partly filled"], ["FILLED", "Filled"], ["CANCELLED", "Cancelled"], ["FAILED", "Failed"],
];
const SIDES: readonly (readonly [string, string])[] = [["", "Both sides"], ["BUY", "Buy"], ["SELL", "Sell"]];

const TABS = ["open", "orders", "fills"] as const;
type Tab = (typeof TABS)[number];
const TAB_WORDS: Readonly<Record<Tab, string>> = { open: "Open", orders: "All orders", fills: "Fills" };

type Filter = OrderFilter & Readonly<Record<"tab", string>>;

interface View {
  readonly desk: Desk;
  readonly actions: Actions;
  readonly filter: Addressed<Filter>;
}

export function start(desk: Desk): Page {
  const view: View = { desk, actions: new Actions(desk), filter: addressed<Filter>("orders", { tab: "open", bot: "", status: "", side: "" }) };
  return {
    Tools: () => null,
    Main: () => <Gate desk={desk} title="Orders" what="Orders are what your bots place; fills are what became of them."><Orders view={view} /></Gate>,
    stop: () => view.filter.stop(),
  };
}

function Orders({ view }: { readonly view: View }) {
  const { desk, filter } = view;
  const now = filter.value.value;
  const tab = TABS.find((one) => one === now.tab) ?? "open";
  useEffect(
    () => listenForKeys({ "1": () => filter.set({ tab: "open" }), "2": () => filter.set({ tab: "orders" }), "3": () => filter.set({ tab: "fills" }) }),
    [],
  );
  return (
    <>
      <div class="toolbar" role="search" aria-label="Orders">
        <div class="chips-row" role="group" aria-label="Show">
          {TABS.map((one) => <Chip key={one} label={TAB_WORDS[one]} on={tab === one} onClick={() => filter.set({ tab: one })} />)}
        </div>
        <div class="chips-row" role="group" aria-label="Only">
          <BotSelect desk={desk} value={now.bot} onChange={(bot) => filter.set({ bot })} />
          <ChipSelect label="Side" value={now.side} options={SIDES} onChange={(side) => filter.set({ side })} />
          {tab === "orders" && <ChipSelect label="Status" value={now.status} options={STATUSES} onChange={(status) => filter.set({ status })} />}
        </div>
      </div>
      <KillNotice desk={desk} />
      <div class="board">
        {tab === "open" && <OpenOrders view={view} filter={now} />}
        {tab === "orders" && <AllOrders key={`${now.bot} ${now.status}`} view={view} filter={now} />}
        {tab === "fills" && <Fills key={now.bot} view={view} filter={now} />}
      </div>
    </>
  );
}

interface ListProps {
  readonly view: View;
  readonly filter: Filter;
}

function OpenOrders({ view, filter }: ListProps) {
  const { orders, ready } = view.desk.trading.state.value;
  const open = [...orders.values()].reverse().filter((order) => isOpen(order.status) && isWanted(order, filter));
  if (!ready && open.length === 0) return <Unready desk={view.desk} what="orders" />;
  if (open.length === 0) {
    return (
      <div class="notice" role="status" data-testid="empty">
        <h2>No open orders</h2>
        <p>They appear here the moment that a bot places one.</p>
      </div>
    );
  }
  return <OrderTable view={view} items={open} label="Open orders" />;
}

function AllOrders({ view, filter }: ListProps) {
  const live = useLive(() => followOrders(view.desk.trading, filter));
  if (!live) return null;
  const items = live.list.items.value.filter((order) => isWanted(order, filter));
  return (
    <Listing list={live.list} count={items.length} what="orders" empty={<h2>No such orders</h2>}>
      <OrderTable view={view} items={items} label="Orders" onNearEnd={() => void live.list.more()} />
    </Listing>
  );
}

function Fills({ view, filter }: ListProps) {
  const live = useLive(() => followFills(view.desk.trading, filter));
  if (!live) return null;
  const items = live.list.items.value.filter((fill) => isWanted(fill, filter));
  return (
    <Listing list={live.list} count={items.length} what="fills" empty={<h2>Nothing was traded yet</h2>}>
      <Table name="fills" label="Fills" items={items} columns={fillColumns(view.desk)} keyOf={({ key }) => key} onNearEnd={() => void live.list.more()} />
    </Listing>
  );
}

interface OrderTableProps {
  readonly view: View;
  readonly items: readonly Order[];
  readonly label: string;
  onNearEnd?(): void;
}

function OrderTable({ view, items, label, onNearEnd }: OrderTableProps) {
  return (
    <Table
      name="orders"
      label={label}
      items={items}
      columns={orderColumns(view.desk, view.actions)}
      keyOf={({ client_order_id }) => client_order_id}
      onKey={(key, order) => {
        if ((key !== "Delete" && key !== "Backspace") || !isOpen(order.status)) return false;
        void view.actions.cancel(order);
        return true;
      }}
      {...(onNearEnd && { onNearEnd })}
    />
  );
}

function useLive<T>(follow: () => Live<T>): Live<T> | null {
  const [live, setLive] = useState<Live<T> | null>(null);
  useEffect(() => {
    const own = follow();
    setLive(own);
    return () => own.stop();
  }, []);
  return live;
}

function isWanted({ bot_id, side }: Pick<Order | Fill, "bot_id" | "side">, filter: Filter): boolean {
  return (filter.bot === "" || bot_id === Number(filter.bot)) && (filter.side === "" || side === filter.side);
}
