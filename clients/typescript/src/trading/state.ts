/** What a user's trading looks like now: a snapshot and changes in, the next state out. Pure. */

import { sum } from "../decimal.ts";
import type { Balance, Bot, Fill, LogEntry, Order, OrderStatus, PnlUpdate, UserMessage, UserSnapshot } from "./types.ts";

/** A closed order stays for so many others to close after it. */
export const KEPT_CLOSED = 200;
export const KEPT_FILLS = 500;
export const KEPT_LOGS = 500;

export interface TradingState {
  /** A snapshot has come: what is empty is so because there is nothing. */
  readonly ready: boolean;
  readonly bots: ReadonlyMap<number, Bot>;
  /** Open ones, and those that have closed while this was followed; the newest change last. */
  readonly orders: ReadonlyMap<string, Order>;
  /** Newest first. Only those that were heard: older ones are asked for over REST. */
  readonly fills: readonly Fill[];
  /** Newest first. */
  readonly logs: readonly LogEntry[];
  /** As of the snapshot: fills and orders change them, so ask for the portfolio after those. */
  readonly balances: readonly Balance[];
  /** When the newest change was committed, ISO 8601; null before the first. */
  readonly changedAt: string | null;
}

export type TradingEvent =
  | { readonly kind: "snapshot"; readonly data: UserSnapshot }
  | { readonly kind: "change"; readonly message: UserMessage }
  /** What was asked for over REST while the hub was gone. */
  | { readonly kind: "refetched"; readonly data: Partial<UserSnapshot> }
  | { readonly kind: "signedOut" };

export const EMPTY: TradingState = {
  ready: false, bots: new Map(), orders: new Map(), fills: [], logs: [], balances: [], changedAt: null,
};

export function reduce(state: TradingState, event: TradingEvent): TradingState {
  switch (event.kind) {
    case "signedOut":
      return EMPTY;
    case "snapshot":
      return { ...replaced(state, event.data), ready: true };
    case "refetched":
      // All bots are as good as a snapshot: a page that opens while the hub is gone need not wait for it.
      return { ...replaced(state, event.data), ready: state.ready || event.data.bots !== undefined };
    case "change":
      return changed({ ...state, changedAt: event.message.timestamp }, event.message);
  }
}

/** A snapshot says everything that is open; fills are no part of it, so those that are known stay. */
function replaced(state: TradingState, data: Partial<UserSnapshot>): TradingState {
  const bots = data.bots && new Map(data.bots.map((bot) => [bot.id, bot]));
  const known = bots ?? state.bots;
  return {
    ...state,
    ...(bots && { bots, fills: state.fills.filter(({ bot_id }) => known.has(bot_id)) }),
    ...(data.orders && { orders: new Map(data.orders.map((order) => [order.client_order_id, order])) }),
    ...(data.logs && { logs: newestFirst(data.logs).slice(0, KEPT_LOGS) }),
    ...(data.balances && { balances: data.balances }),
  };
}

function changed(state: TradingState, message: UserMessage): TradingState {
  switch (message.type) {
    case "bot_created":
    case "bot_update":
      return { ...state, bots: new Map(state.bots).set(message.data.id, message.data) };
    case "bot_deleted":
      return without(state, message.data.id);
    case "order_update":
      return { ...state, orders: withOrder(state.orders, message.data) };
    case "order_filled": {
      const { order, fill } = message.data;
      return { ...state, orders: withOrder(state.orders, order), fills: [fill, ...state.fills].slice(0, KEPT_FILLS) };
    }
    case "log_created": {
      if (state.logs.some(({ id }) => id === message.data.id)) return state;
      return { ...state, logs: [message.data, ...state.logs].slice(0, KEPT_LOGS) };
    }
    case "pnl_update":
      return withPnl(state, message.data);
  }
}

function without(state: TradingState, id: number): TradingState {
  const bots = new Map(state.bots);
  bots.delete(id);
  const orders = new Map([...state.orders].filter(([, order]) => order.bot_id !== id));
  return { ...state, bots, orders };
}

/** The newest change comes last; of those that are closed the oldest go. */
function withOrder(orders: ReadonlyMap<string, Order>, order: Order): ReadonlyMap<string, Order> {
  const next = new Map(orders);
  next.delete(order.client_order_id);
  next.set(order.client_order_id, order);
  if (isOpen(order.status)) return next;
  let closed = 0;
  for (const { status } of next.values()) if (!isOpen(status)) closed += 1;
  for (const [id, { status }] of next) {
    if (closed <= KEPT_CLOSED) break;
    if (isOpen(status)) continue;
    next.delete(id);
    closed -= 1;
  }
  return next;
}

function withPnl(state: TradingState, { bot_id, ...results }: PnlUpdate): TradingState {
  const bot = state.bots.get(bot_id);
  return {
    ...state,
    ...(bot && { bots: new Map(state.bots).set(bot_id, { ...bot, ...results }) }),
  };
}

function newestFirst(logs: readonly LogEntry[]): readonly LogEntry[] {
  return [...logs].sort((a, b) => b.id - a.id);
}

/** Whether an order may still trade. */
export function isOpen(status: OrderStatus): boolean {
  return status === "PENDING" || status === "PARTIALLY_FILLED";
}

/** Newest first. */
export function openOrders(state: Pick<TradingState, "orders">): readonly Order[] {
  return [...state.orders.values()].filter(({ status }) => isOpen(status)).reverse();
}

export interface PnlTotals {
  readonly realized: string;
  readonly fees: string;
  /** Realised less fees. */
  readonly pnl: string;
}

/** Exact totals over bots; bots that trade in different quote assets do not add up, so give those of one. */
export function totalsOf(bots: Iterable<Bot>): PnlTotals {
  const all = [...bots];
  return {
    realized: sum(all.map(({ realized_pnl }) => realized_pnl)),
    fees: sum(all.map(({ fees }) => fees)),
    pnl: sum(all.map(({ pnl }) => pnl)),
  };
}
