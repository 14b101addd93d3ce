import { describe, expect, it } from "vitest";
import { livePnl, unrealized } from "../src/trading/pnl.ts";
import { EMPTY, KEPT_CLOSED, KEPT_LOGS, openOrders, reduce, totalsOf, type TradingState } from "../src/trading/state.ts";
import type { UserMessage } from "../src/trading/types.ts";
import { bot, fill, log, message, order, snapshot } from "./make.ts";

const after = (state: TradingState, ...messages: readonly UserMessage[]): TradingState =>
  messages.reduce((now, one) => reduce(now, { kind: "change", message: one }), state);

const started = (change: Parameters<typeof snapshot>[0] = {}): TradingState => reduce(EMPTY, { kind: "snapshot", data: snapshot(change) });

describe("a snapshot", () => {
  it("is everything: what is not in it is gone", () => {
    const before = after(started({ bots: [bot(1)] }), message("order_update", order("a")), message("log_created", log(1)));
    const now = reduce(before, { kind: "snapshot", data: snapshot({ bots: [bot(2)], logs: [log(7), log(8)] }) });
    expect([...now.bots.keys()]).toEqual([2]);
    expect(now.orders.size).toBe(0);
    expect(now.logs.map(({ id }) => id)).toEqual([8, 7]);
  });

  it("says that nothing is there, which the beginning does not", () => {
    expect(EMPTY.ready).toBe(false);
    expect(started().ready).toBe(true);
  });

  it("may be replaced by all that REST knows of: then nothing has to be waited for", () => {
    expect(reduce(EMPTY, { kind: "refetched", data: snapshot() }).ready).toBe(true);
    expect(reduce(EMPTY, { kind: "refetched", data: { logs: [] } }).ready).toBe(false);
  });

  it("keeps the fills of bots that are still there: it has none of its own", () => {
    const before = after(
      started({ bots: [bot(1), bot(2)] }),
      message("order_filled", { order: order("a"), fill: fill("a") }),
      message("order_filled", { order: order("b", { bot_id: 2 }), fill: fill("b", { bot_id: 2 }) }),
    );
    const now = reduce(before, { kind: "snapshot", data: snapshot({ bots: [bot(2)] }) });
    expect(now.fills.map(({ client_order_id }) => client_order_id)).toEqual(["b"]);
  });
});

describe("changes", () => {
  it("create, change and delete a bot with its orders", () => {
    const made = after(started(), message("bot_created", bot(1)), message("bot_update", bot(1, { status: "ACTIVE" })), message("order_update", order("a")));
    expect(made.bots.get(1)?.status).toBe("ACTIVE");
    const gone = after(made, message("bot_deleted", { id: 1 }));
    expect([gone.bots.size, gone.orders.size]).toEqual([0, 0]);
  });

  it("put a fill's order and the fill in place together", () => {
    const now = after(
      started({ bots: [bot(1)], orders: [order("a")] }),
      message("order_filled", { order: order("a", { status: "FILLED", filled_quantity: "1" }), fill: fill("a") }),
    );
    expect(now.orders.get("a")?.status).toBe("FILLED");
    expect(openOrders(now)).toEqual([]);
    expect(now.fills).toHaveLength(1);
  });

  it("lay results over the bot they belong to, and only that", () => {
    const before = started({ bots: [bot(1, { name: "mine" }), bot(2)] });
    const now = after(before, message("pnl_update", { bot_id: 1, pnl: "4.9", realized_pnl: "5", fees: "0.1", total_trades: 2 }));
    expect(now.bots.get(1)).toMatchObject({ name: "mine", pnl: "4.9", total_trades: 2 });
    expect(now.bots.get(2)).toBe(before.bots.get(2));
    expect(after(now, message("pnl_update", { bot_id: 99, pnl: "1" })).bots).toEqual(now.bots);
  });

  it("leave the state before as it was", () => {
    const before = started({ bots: [bot(1)] });
    after(before, message("bot_update", bot(1, { name: "other" })), message("log_created", log(1)), message("bot_deleted", { id: 1 }));
    expect(before.bots.get(1)?.name).toBe("bot 1");
    expect(before.logs).toEqual([]);
  });

  it("keep open orders however many close, and forget the oldest closed ones", () => {
    const closed = Array.from({ length: KEPT_CLOSED + 5 }, (_, index) => message("order_update", order(`c${index}`, { status: "CANCELLED" })));
    const now = after(started({ orders: [order("open")] }), ...closed);
    expect(now.orders.size).toBe(KEPT_CLOSED + 1);
    expect(now.orders.has("open")).toBe(true);
    expect(now.orders.has("c4")).toBe(false);
    expect(now.orders.has("c5")).toBe(true);
  });

  it("put the newest log entry first, once, and bound the list", () => {
    const entries = Array.from({ length: KEPT_LOGS + 1 }, (_, index) => message("log_created", log(index)));
    const now = after(started(), ...entries, message("log_created", log(KEPT_LOGS)));
    expect(now.logs).toHaveLength(KEPT_LOGS);
    expect(now.logs.slice(0, 2).map(({ id }) => id)).toEqual([KEPT_LOGS, KEPT_LOGS - 1]);
  });

  it("tell when they were committed", () => {
    expect(after(started(), message("log_created", log(1))).changedAt).toBe("2026-01-01T00:00:00.000Z");
  });
});

it("signing out forgets everything", () => {
  expect(reduce(started({ bots: [bot(1)] }), { kind: "signedOut" })).toBe(EMPTY);
});

describe("money", () => {
  it("adds up exactly over bots", () => {
    const bots = [bot(1, { pnl: "0.1", realized_pnl: "0.3", fees: "0.2" }), bot(2, { pnl: "0.2", realized_pnl: "0.2", fees: "0" })];
    expect(totalsOf(bots)).toEqual({ pnl: "0.3", realized: "0.5", fees: "0.2" });
  });

  it("values a position at the bid, less its cost", () => {
    const holding = bot(1, { pnl: "-0.1", position: { quantity: "0.5", cost: "50", average_price: "100" } });
    expect(unrealized(holding, "102.5")).toBe("1.25");
    expect(livePnl(holding, "102.5")).toBe("1.15");
    expect(livePnl(holding, null)).toBeNull();
    expect(livePnl(bot(2, { pnl: "7" }), null)).toBe("7");
  });
});
