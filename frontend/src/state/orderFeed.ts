/** Orders or fills by filter: pages from the server, kept live by the hub. */

import type { Fill, Order, OrderStatus, UserMessage } from "@openoutcry/client";
import { Paged } from "./paged.ts";
import type { Trading } from "./trading.ts";

/** Texts, "" for all: a bot's id, an `OrderStatus`, a side. */
export type OrderFilter = Readonly<Record<"bot" | "status" | "side", string>>;

export interface Live<T> {
  readonly list: Paged<T>;
  stop(): void;
}

const PAGE = 100;

export function followOrders(trading: Trading, filter: OrderFilter): Live<Order> {
  const { api } = trading;
  const list = new Paged<Order>({
    keyOf: ({ client_order_id }) => client_order_id,
    load: (before, signal) =>
      api.orders({ limit: PAGE, signal, ...botIn(filter), ...(before !== undefined && { before }), ...(filter.status !== "" && { status: filter.status as OrderStatus }) }),
  });
  return following(trading, list, (message) => {
    const order = message.type === "order_update" ? message.data : message.type === "order_filled" ? message.data.order : null;
    if (!order || (filter.bot !== "" && order.bot_id !== Number(filter.bot))) return;
    if (filter.status === "" || order.status === filter.status) list.put(order);
    else list.drop(({ client_order_id }) => client_order_id === order.client_order_id);
  });
}

/** A fill has no id of its own; two of one order at the same moment, price and size are told apart by nothing, and none is left out. */
export interface KeyedFill extends Fill {
  readonly key: string;
}

export function followFills(trading: Trading, filter: OrderFilter): Live<KeyedFill> {
  const { api } = trading;
  let count = 0;
  const keyed = (fill: Fill): KeyedFill => ({ ...fill, key: `${fill.client_order_id} ${(count += 1)}` });
  const list = new Paged<KeyedFill>({
    keyOf: ({ key }) => key,
    async load(before, signal) {
      const { items, next } = await api.fills({ limit: PAGE, signal, ...botIn(filter), ...(before !== undefined && { before }) });
      return { items: items.map(keyed), next };
    },
  });
  return following(trading, list, (message) => {
    if (message.type !== "order_filled") return;
    const { fill } = message.data;
    if (filter.bot !== "" && fill.bot_id !== Number(filter.bot)) return;
    // On its way and told at once: the page that is being loaded may have it already.
    if (list.phase.peek().kind === "loading") void list.reload();
    else list.put(keyed(fill));
  });
}

/** Let the hub keep a list up; a snapshot in place of what was missed means that the list has holes. */
export function following<T>(trading: Trading, list: Paged<T>, onMessage: (message: UserMessage) => void): Live<T> {
  const ends = [trading.feed.hear(onMessage), trading.feed.onRenewed(() => void list.reload())];
  return {
    list,
    stop() {
      for (const end of ends) end();
      list.stop();
    },
  };
}

export function botIn({ bot }: { readonly bot: string }): { readonly bot_id?: number } {
  return /^\d+$/.test(bot) ? { bot_id: Number(bot) } : {};
}
