/** Short ways to make trading values. */

import type { Bot, Fill, LogEntry, Order, PnlUpdate, UserMessage, UserSnapshot } from "../src/trading/types.ts";

const AT = "2026-01-01T00:00:00.000Z";

export function bot(id: number, change: Partial<Bot> = {}): Bot {
  return {
    id, name: `bot ${id}`, strategy: "scalper", exchange: "paper", ticker: "BTCUSDT", status: "STOPPED", parameters: {}, limits: {},
    leverage: "1", pnl: "0", realized_pnl: "0", fees: "0", position: { quantity: "0", cost: "0", average_price: null }, total_trades: 0,
    win_rate: null, last_fill_price: null, last_fill_side: null, last_fill_at: null, created_at: AT, updated_at: AT, ...change,
  };
}

export function order(id: string, change: Partial<Order> = {}): Order {
  return {
    client_order_id: id, bot_id: 1, ticker: "BTCUSDT", side: "BUY", type: "LIMIT", status: "PENDING", quantity: "1", price: "100",
    filled_quantity: "0", average_price: null, fee: "0", reason: null, paired_order: null, exchange_order_id: null, created_at: AT, updated_at: AT,
    ...change,
  };
}

export function fill(id: string, change: Partial<Fill> = {}): Fill {
  return { client_order_id: id, bot_id: 1, ticker: "BTCUSDT", side: "BUY", price: "100", quantity: "1", fee: "0.1", realized_pnl: "0", time: AT, ...change };
}

export function log(id: number, change: Partial<LogEntry> = {}): LogEntry {
  return { id, level: "INFO", message: `entry ${id}`, bot_id: null, timestamp: AT, ...change };
}

export function snapshot(change: Partial<UserSnapshot> = {}): UserSnapshot {
  return { bots: [], orders: [], logs: [], balances: [], ...change };
}

interface Carries {
  bot_created: Bot;
  bot_update: Bot;
  bot_deleted: { readonly id: number };
  order_update: Order;
  order_filled: { readonly order: Order; readonly fill: Fill };
  log_created: LogEntry;
  pnl_update: PnlUpdate;
}

export function message<T extends keyof Carries>(type: T, data: Carries[T], offset = 1, epoch = "e"): UserMessage {
  return { type, channel: "user", data, timestamp: AT, offset, epoch } as unknown as UserMessage;
}
