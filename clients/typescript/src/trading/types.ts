/** Bots, orders, fills and logs as they come over REST and the hub: snake case, amounts as decimal strings, times ISO 8601 UTC. */

import { isDecimal } from "../decimal.ts";

export type BotStatus = "ACTIVE" | "STOPPED" | "ERROR";
export type OrderSide = "BUY" | "SELL";
export type OrderType = "LIMIT" | "MARKET";
export type OrderStatus = "PENDING" | "PARTIALLY_FILLED" | "FILLED" | "CANCELLED" | "FAILED";
export type LogLevel = "DEBUG" | "INFO" | "WARNING" | "ERROR";

export interface Position {
  /** In the base asset. */
  readonly quantity: string;
  /** What was paid for it, without fees, in the quote asset. */
  readonly cost: string;
  readonly average_price?: string | null;
  /** How much of the cost is borrowed. */
  readonly loan?: string;
}

export interface Limits {
  readonly max_order: string | null;
  readonly max_position: string | null;
  /** Percent. */
  readonly price_band: string | null;
}

export interface Bot {
  readonly id: number;
  readonly name: string;
  readonly strategy: string;
  /** `paper`, or the name of an exchange. */
  readonly exchange: string;
  readonly ticker: string;
  readonly status: BotStatus;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly limits: Partial<Limits>;
  readonly leverage: string;
  /** Realised less fees, in the quote asset. */
  readonly pnl: string;
  readonly realized_pnl: string;
  readonly fees: string;
  readonly position: Position;
  /** Fills. */
  readonly total_trades: number;
  /** Percent of the closing fills that earned something; null before the first. */
  readonly win_rate: string | null;
  readonly last_fill_price: string | null;
  readonly last_fill_side: OrderSide | null;
  readonly last_fill_at: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Order {
  readonly client_order_id: string;
  readonly bot_id: number;
  readonly ticker: string;
  readonly side: OrderSide;
  readonly type: OrderType;
  readonly status: OrderStatus;
  readonly quantity: string;
  /** The limit; null for a market order. */
  readonly price: string | null;
  readonly filled_quantity: string;
  readonly average_price: string | null;
  readonly fee: string;
  /** Why it was cancelled or has failed. */
  readonly reason: string | null;
  readonly paired_order: string | null;
  readonly exchange_order_id: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Fill {
  readonly client_order_id: string;
  readonly bot_id: number;
  readonly ticker: string;
  readonly side: OrderSide;
  readonly price: string;
  readonly quantity: string;
  readonly fee: string;
  /** Before the fee; 0 where the fill opened or added. */
  readonly realized_pnl: string;
  readonly time: string;
}

export interface LogEntry {
  readonly id: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly bot_id: number | null;
  readonly timestamp: string;
}

export interface Balance {
  readonly asset: string;
  readonly free: string;
  /** Held back by open orders. */
  readonly locked: string;
}


/** A bot's position and results after a fill. */
export type PnlUpdate = { readonly bot_id: number } & Partial<
  Pick<Bot, "ticker" | "pnl" | "realized_pnl" | "fees" | "position" | "total_trades" | "win_rate">
>;

/** Everything of one user, as it was at `offset`. */
export interface UserSnapshot {
  readonly bots: readonly Bot[];
  /** Open ones. */
  readonly orders: readonly Order[];
  /** The newest, newest first. */
  readonly logs: readonly LogEntry[];
  readonly balances: readonly Balance[];
}

interface Change<T extends string, D> {
  readonly type: T;
  readonly channel: "user";
  readonly data: D;
  /** When it was committed, ISO 8601 UTC. */
  readonly timestamp: string;
  readonly offset: number;
  readonly epoch: string;
}

/** One committed change of what is the user's. */
export type UserMessage =
  | Change<"bot_created" | "bot_update", Bot>
  | Change<"bot_deleted", { readonly id: number }>
  | Change<"order_update", Order>
  | Change<"order_filled", { readonly order: Order; readonly fill: Fill }>
  | Change<"log_created", LogEntry>
  | Change<"pnl_update", PnlUpdate>;

export type UserMessageType = UserMessage["type"];

type Fields = Record<string, unknown>;

const CHECKS: Record<UserMessageType, (data: unknown) => boolean> = {
  bot_created: isBot,
  bot_update: isBot,
  bot_deleted: (data) => isFields(data) && typeof data.id === "number",
  order_update: isOrder,
  order_filled: (data) => isFields(data) && isOrder(data.order) && isFill(data.fill),
  log_created: isLog,
  pnl_update: (data) => isFields(data) && typeof data.bot_id === "number",
};

export function isUserMessageType(type: string): type is UserMessageType {
  return Object.hasOwn(CHECKS, type);
}

/** Whether `data` is what a message of that type carries. */
export function holdsUserData(type: UserMessageType, data: unknown): boolean {
  return CHECKS[type](data);
}

export function isUserSnapshot(data: unknown): data is UserSnapshot {
  return (
    isFields(data) && isListOf(data.bots, isBot) && isListOf(data.orders, isOrder) && isListOf(data.logs, isLog) && isListOf(data.balances, isBalance)
  );
}

export function isBot(data: unknown): data is Bot {
  return (
    isFields(data) && typeof data.id === "number" && typeof data.name === "string" && typeof data.ticker === "string" &&
    typeof data.status === "string" && typeof data.strategy === "string" && isFields(data.parameters) &&
    isFields(data.position) && isDecimal(data.position.quantity) && isDecimal(data.position.cost) &&
    [data.pnl, data.realized_pnl, data.fees].every(isDecimal)
  );
}

export function isOrder(data: unknown): data is Order {
  return (
    isFields(data) && typeof data.client_order_id === "string" && typeof data.bot_id === "number" && typeof data.status === "string" &&
    isDecimal(data.quantity) && isDecimal(data.filled_quantity) && (data.price === null || isDecimal(data.price))
  );
}

export function isFill(data: unknown): data is Fill {
  return (
    isFields(data) && typeof data.client_order_id === "string" && typeof data.bot_id === "number" &&
    [data.price, data.quantity, data.fee, data.realized_pnl].every(isDecimal) && typeof data.time === "string"
  );
}

export function isLog(data: unknown): data is LogEntry {
  return isFields(data) && typeof data.id === "number" && typeof data.level === "string" && typeof data.message === "string" && typeof data.timestamp === "string";
}

export function isBalance(data: unknown): data is Balance {
  return isFields(data) && typeof data.asset === "string" && isDecimal(data.free) && isDecimal(data.locked);
}

export function isListOf<T>(value: unknown, holds: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(holds);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
