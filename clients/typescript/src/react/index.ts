/** React hooks over one client: `<OpenOutcryProvider client={createClient(…)}>` once, hooks below it. */

import { createContext, createElement, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Client } from "../client.ts";
import { add } from "../decimal.ts";
import { followTradeStats, type TradeStatsOptions, type TradeStatsState } from "../stats.ts";
import { type ConnectionStatus, isUp } from "../status.ts";
import { livePnl, unrealized } from "../trading/pnl.ts";
import { isOpen, totalsOf, type PnlTotals, type TradingState } from "../trading/state.ts";
import type { Bot, Fill, LogEntry, LogLevel, Order, UserMessage } from "../trading/types.ts";

const ClientContext = createContext<Client | null>(null);

export function OpenOutcryProvider({ client, children }: { readonly client: Client; readonly children?: ReactNode }) {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** The client of the provider above. Throws `Error` where there is none. */
export function useOpenOutcry(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error("There is no <OpenOutcryProvider client={…}> above this component.");
  return client;
}

export interface WebSocketState {
  readonly status: ConnectionStatus;
  readonly isConnected: boolean;
  /** Try now instead of waiting for the planned attempt. */
  retryNow(): void;
}

/** The state of the one shared connection. */
export function useWebSocket(): WebSocketState {
  const { connection } = useOpenOutcry();
  const subscribe = useCallback((changed: () => void) => connection.watch(changed), [connection]);
  const status = useSyncExternalStore(subscribe, () => connection.status, () => connection.status);
  const retryNow = useCallback(() => connection.retryNow(), [connection]);
  return { status, isConnected: isUp(status.state), retryNow };
}

/** The whole state of the user's trading; the others are made of it. */
export function useTrading(): TradingState {
  const { trading } = useOpenOutcry();
  const subscribe = useCallback((changed: () => void) => trading.watch(changed), [trading]);
  return useSyncExternalStore(subscribe, () => trading.state, () => trading.state);
}

type Of<T extends UserMessage["type"]> = Extract<UserMessage, { readonly type: T }>;

/** Call `on` with each change of these types; the function may be another at every render. */
function useChanges<T extends UserMessage["type"]>(types: readonly T[], on: ((message: Of<T>) => void) | undefined): void {
  const { trading } = useOpenOutcry();
  const latest = useRef(on);
  useEffect(() => {
    latest.current = on;
  });
  const key = types.join();
  const wanted = on !== undefined;
  useEffect(() => {
    if (!wanted) return;
    const known = key.split(",");
    return trading.hear((message) => {
      if (known.includes(message.type)) latest.current?.(message as Of<T>);
    });
  }, [trading, key, wanted]);
}

export interface BotUpdates {
  readonly bots: readonly Bot[];
  /** A snapshot has come: no bots means that there are none. */
  readonly ready: boolean;
}

/** All bots, live. `onUpdate` hears of each that was created, changed or deleted. */
export function useBotUpdates(onUpdate?: (message: Of<"bot_created" | "bot_update" | "bot_deleted">) => void): BotUpdates {
  const { bots, ready } = useTrading();
  useChanges(["bot_created", "bot_update", "bot_deleted"], onUpdate);
  return useMemo(() => ({ bots: [...bots.values()], ready }), [bots, ready]);
}

export interface OrderUpdates {
  readonly open: readonly Order[];
  /** Open ones and those that closed while this was followed, the newest change first. */
  readonly orders: readonly Order[];
  /** Fills that were heard, newest first. */
  readonly fills: readonly Fill[];
  readonly ready: boolean;
}

export interface OrderOptions {
  /** Only this bot's. */
  readonly botId?: number;
  readonly onOrder?: (order: Order) => void;
  readonly onFill?: (fill: Fill, order: Order) => void;
}

export function useOrderUpdates({ botId, onOrder, onFill }: OrderOptions = {}): OrderUpdates {
  const { orders, fills, ready } = useTrading();
  const isMine = (id: number): boolean => botId === undefined || id === botId;
  useChanges(
    ["order_update", "order_filled"],
    onOrder || onFill
      ? (message) => {
          const order = message.type === "order_update" ? message.data : message.data.order;
          if (!isMine(order.bot_id)) return;
          if (message.type === "order_filled") onFill?.(message.data.fill, order);
          else onOrder?.(order);
        }
      : undefined,
  );
  return useMemo(() => {
    const mine = [...orders.values()].filter(({ bot_id }) => isMine(bot_id)).reverse();
    return { orders: mine, open: mine.filter(({ status }) => isOpen(status)), fills: fills.filter(({ bot_id }) => isMine(bot_id)), ready };
  }, [orders, fills, ready, botId]);
}

export interface ActivityLogOptions {
  readonly botId?: number;
  readonly level?: LogLevel;
  readonly onLog?: (entry: LogEntry) => void;
}

/** The newest entries of the activity log, newest first. */
export function useActivityLogUpdates({ botId, level, onLog }: ActivityLogOptions = {}): { readonly logs: readonly LogEntry[]; readonly ready: boolean } {
  const { logs, ready } = useTrading();
  const isWanted = (entry: LogEntry): boolean => (botId === undefined || entry.bot_id === botId) && (level === undefined || entry.level === level);
  useChanges(["log_created"], onLog && (({ data }) => { if (isWanted(data)) onLog(data); }));
  return useMemo(() => ({ logs: logs.filter(isWanted), ready }), [logs, ready, botId, level]);
}

/** Exact totals over all bots; with `quote` only of those whose ticker ends in it, since dollars and bitcoins do not add up. */
export function usePnLUpdates({ botId, quote }: { readonly botId?: number; readonly quote?: string } = {}): PnlTotals & { readonly ready: boolean } {
  const { bots, ready } = useTrading();
  return useMemo(() => {
    const wanted = [...bots.values()].filter((bot) => (botId === undefined || bot.id === botId) && (quote === undefined || bot.ticker.endsWith(quote)));
    return { ...totalsOf(wanted), ready };
  }, [bots, ready, botId, quote]);
}

export interface RealtimeBot extends OrderUpdates {
  /** Null before the snapshot, and where there is no such bot. */
  readonly bot: Bot | null;
  readonly logs: readonly LogEntry[];
  /** The live bid of its market; null until one has come. */
  readonly bid: string | null;
  /** At the live bid; null while a price is needed and none is known. */
  readonly unrealizedPnl: string | null;
  /** Realised less fees plus unrealised. */
  readonly totalPnl: string | null;
  /** Realised plus unrealised, before fees. */
  readonly grossPnl: string | null;
}

/** One bot with everything of it, valued at live prices. */
export function useRealtimeBotUpdates(botId: number): RealtimeBot {
  const { bots } = useTrading();
  const orders = useOrderUpdates({ botId });
  const { logs } = useActivityLogUpdates({ botId });
  const bot = bots.get(botId) ?? null;
  const bid = useBid(bot?.ticker ?? null);
  return useMemo(() => {
    const holds = bot !== null && Number(bot.position.quantity) !== 0;
    const open = bot === null ? null : !holds ? "0" : bid === null ? null : unrealized(bot, bid);
    return {
      ...orders, bot, logs, bid, unrealizedPnl: open,
      totalPnl: bot && livePnl(bot, bid),
      grossPnl: bot && open !== null ? add(bot.realized_pnl, open) : null,
    };
  }, [orders, bot, logs, bid]);
}

/** The live bid of a market; null until it is known. */
export function useBid(symbol: string | null): string | null {
  const { connection } = useOpenOutcry();
  const [bid, setBid] = useState<string | null>(null);
  useEffect(() => {
    setBid(null);
    if (symbol === null) return;
    return connection.subscribe(`price:${symbol}`, (quote) => setBid(quote?.bidPrice ?? null), (quote) => setBid(quote.bidPrice));
  }, [connection, symbol]);
  return bid;
}

/** The public counter of trades: pushed below a provider, polled without one. No sign-in is needed. */
export function useTradeStats({ origin, every, fetch }: Pick<TradeStatsOptions, "origin" | "every" | "fetch"> = {}): TradeStatsState {
  const client = useContext(ClientContext);
  const [state, setState] = useState<TradeStatsState>({ stats: null, error: null, live: false });
  useEffect(
    () =>
      followTradeStats(setState, {
        origin: origin ?? client?.origin ?? "",
        ...(client && { connection: client.connection }),
        ...(every !== undefined && { every }),
        ...(fetch && { fetch }),
      }),
    [client, origin, every, fetch],
  );
  return state;
}
