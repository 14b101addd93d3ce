// @vitest-environment happy-dom
import { act, createElement, type FunctionComponent } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  OpenOutcryProvider, useActivityLogUpdates, useBotUpdates, useOrderUpdates, usePnLUpdates, useRealtimeBotUpdates, useTradeStats, useWebSocket,
} from "../src/react/index.ts";
import { quote } from "./fakes.ts";
import { bot, fill, log, message, order, snapshot } from "./make.ts";
import { standIn, type StandIn } from "./standin.ts";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

let server: StandIn;
let root: Root;

beforeEach(() => {
  server = standIn();
  root = createRoot(document.createElement("div"));
});
afterEach(() => act(() => root.unmount()));

/** Run a hook in a component below a provider; `values` has what it answered, render by render. */
async function run<T>(hook: () => T, data: object = snapshot()): Promise<{ values: T[]; last(): T }> {
  const values: T[] = [];
  const Probe: FunctionComponent = () => {
    values.push(hook());
    return null;
  };
  await act(async () => root.render(createElement(OpenOutcryProvider, { client: server.client }, createElement(Probe))));
  await act(() => server.open(data));
  return { values, last: () => values.at(-1) as T };
}

const says = (...messages: readonly object[]): Promise<void> =>
  act(async () => {
    for (const one of messages) server.hub.last.says(one);
  });

describe("the hooks", () => {
  it("useWebSocket tells the connection's state as it changes", async () => {
    const { last } = await run(() => useWebSocket());
    expect(last().isConnected).toBe(true);
    await act(async () => server.hub.last.dies());
    expect(last()).toMatchObject({ isConnected: false, status: { state: "reconnecting" } });
    await act(async () => last().retryNow());
    expect(server.hub.sockets).toHaveLength(2);
  });

  it("useBotUpdates has the bots, and calls the newest function for each change", async () => {
    const heard: string[] = [];
    let name = "first";
    const { last } = await run(() => {
      const own = name;
      return useBotUpdates(({ type }) => void heard.push(`${own} ${type}`));
    }, snapshot({ bots: [bot(1)] }));
    expect(last()).toMatchObject({ ready: true, bots: [{ id: 1 }] });
    name = "second";
    await says(message("bot_created", bot(2), 11));
    await says(message("bot_deleted", { id: 1 }, 12));
    expect(last().bots.map(({ id }) => id)).toEqual([2]);
    expect(heard).toEqual(["first bot_created", "second bot_deleted"]);
  });

  it("useOrderUpdates keeps to one bot, open orders and fills apart", async () => {
    const fills: string[] = [];
    const { last } = await run(() => useOrderUpdates({ botId: 1, onFill: ({ client_order_id }) => void fills.push(client_order_id) }), snapshot({ orders: [order("a")] }));
    await says(
      message("order_update", order("b", { bot_id: 2 }), 11),
      message("order_filled", { order: order("a", { status: "FILLED" }), fill: fill("a") }, 12),
      message("order_filled", { order: order("b", { bot_id: 2, status: "FILLED" }), fill: fill("b", { bot_id: 2 }) }, 13),
    );
    expect(last().orders.map(({ client_order_id }) => client_order_id)).toEqual(["a"]);
    expect(last().open).toEqual([]);
    expect(last().fills).toHaveLength(1);
    expect(fills).toEqual(["a"]);
  });

  it("useActivityLogUpdates filters by bot and level", async () => {
    const { last } = await run(() => useActivityLogUpdates({ level: "ERROR", botId: 1 }), snapshot({ logs: [log(1, { level: "ERROR", bot_id: 1 }), log(2, { bot_id: 1 })] }));
    await says(message("log_created", log(3, { level: "ERROR", bot_id: 1 }), 11), message("log_created", log(4, { level: "ERROR", bot_id: 2 }), 12));
    expect(last().logs.map(({ id }) => id)).toEqual([3, 1]);
  });

  it("usePnLUpdates adds up exactly, over bots of one quote asset", async () => {
    const { last } = await run(
      () => usePnLUpdates({ quote: "USDT" }),
      snapshot({ bots: [bot(1, { pnl: "0.1" }), bot(2, { pnl: "0.1" }), bot(3, { ticker: "ETHBTC", pnl: "9" })] }),
    );
    expect(last().pnl).toBe("0.2");
    await says(message("pnl_update", { bot_id: 2, pnl: "0.2", realized_pnl: "0.2", fees: "0" }, 11));
    expect(last().pnl).toBe("0.3");
  });

  it("useRealtimeBotUpdates values a bot at the live bid", async () => {
    const { last } = await run(
      () => useRealtimeBotUpdates(1),
      snapshot({ bots: [bot(1, { pnl: "-0.1", realized_pnl: "0", fees: "0.1", position: { quantity: "2", cost: "200", average_price: "100" } })], logs: [log(1, { bot_id: 1 })] }),
    );
    expect(last()).toMatchObject({ bid: null, totalPnl: null, unrealizedPnl: null });
    await act(async () => server.hub.last.answers("price:BTCUSDT", quote("101")));
    expect(last()).toMatchObject({ bid: "101", unrealizedPnl: "2", totalPnl: "1.9", grossPnl: "2", logs: [{ id: 1 }] });
    await says({ type: "price_update", channel: "price:BTCUSDT", data: quote("99") });
    expect(last().unrealizedPnl).toBe("-2");
  });

  it("useTradeStats is pushed below a provider", async () => {
    const counts = { trades_7d: 1, trades_30d: 2, last_updated: "2026-01-01T00:00:00.000Z" };
    const none: typeof fetch = async () => { throw new TypeError("not reached"); };
    const { last } = await run(() => useTradeStats({ fetch: none }));
    await act(async () => server.hub.last.answers("stats:trades", counts));
    expect(last()).toMatchObject({ stats: counts, live: true });
  });

  it("render once for a burst that React batches, and let go of everything when they are gone", async () => {
    const { values } = await run(() => useBotUpdates());
    const before = values.length;
    await says(...Array.from({ length: 50 }, (_, index) => message("bot_created", bot(index + 1), 11 + index)));
    expect(values.length - before).toBe(1);
    await act(async () => root.render(null));
    expect(server.hub.last.types().at(-1)).toBe("unsubscribe user");
  });

  it("say what is missing when there is no provider", () => {
    const Probe: FunctionComponent = () => {
      useWebSocket();
      return null;
    };
    const alone = createRoot(document.createElement("div"));
    expect(() => act(() => alone.render(createElement(Probe)))).toThrow("OpenOutcryProvider");
  });
});
