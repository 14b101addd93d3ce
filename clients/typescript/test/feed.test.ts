import { describe, expect, it } from "vitest";
import { followSignIn } from "../src/client.ts";
import { Connection } from "../src/connection.ts";
import { ApiKey } from "../src/credentials.ts";
import { followTradeStats, type TradeStatsState } from "../src/stats.ts";
import { TradingApi } from "../src/trading/api.ts";
import { TradingFeed } from "../src/trading/feed.ts";
import { FakeClock, FakeHub } from "./fakes.ts";
import { bot, log, message, order, snapshot } from "./make.ts";

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
};

/** A server that answers each path with what it is given, and remembers what it was asked. */
function server(answers: Record<string, unknown>) {
  const asked: string[] = [];
  const bodies: unknown[] = [];
  const fetch: typeof globalThis.fetch = async (url, init) => {
    const path = String(url).replace("http://h", "");
    asked.push(`${init?.method ?? "GET"} ${path}`);
    bodies.push(init?.body ? JSON.parse(String(init.body)) : undefined);
    const answer = answers[path.split("?")[0] ?? ""];
    return answer === undefined ? new Response('{"message":"no"}', { status: 404 }) : new Response(JSON.stringify(answer));
  };
  return { asked, bodies, fetch, api: new TradingApi(new ApiKey("http://h", "ok_key", { fetch })) };
}

const everything = {
  "/api/v1/bots": { bots: [bot(5)], next: null },
  "/api/v1/orders": { orders: [order("a")], next: null },
  "/api/v1/logs": { logs: [log(1)], next: null },
  "/api/v1/portfolio": {
    currency: "USDT", equity: "1", unpriced: [], kill_switch: false, positions: [], loans: [],
    balances: [{ asset: "USDT", free: "1", locked: "0", price: "1", value: "1" }],
  },
};

async function start(answers: Record<string, unknown> = everything) {
  const clock = new FakeClock();
  const hub = new FakeHub();
  const connection = new Connection("ws://hub", { clock, openSocket: hub.openSocket });
  const { api, asked } = server(answers);
  const feed = new TradingFeed(connection, { api, clock });
  const seen: number[] = [];
  const stop = feed.watch(({ bots }) => void seen.push(bots.size));
  connection.identify({ token: async () => ({ token: "t", until: Infinity }) });
  hub.last.accept();
  await settled();
  hub.last.says({ type: "authenticated" });
  const says = (data: object, offset: number): void => {
    const asked = hub.last.sent.filter(({ type, channel }) => type === "subscribe" && channel === "user").at(-1);
    hub.last.says({ type: "subscribed", channel: "user", id: asked?.id, recovered: false, data, offset, epoch: "e" });
  };
  return { clock, hub, connection, feed, seen, stop, says, asked };
}

describe("the feed", () => {
  it("is the snapshot and what came after it, and lets hearers know of the changes alone", async () => {
    const { hub, feed, seen, says } = await start();
    const heard: string[] = [];
    feed.hear(({ type }) => void heard.push(type));
    says(snapshot({ bots: [bot(1)] }), 4);
    hub.last.says(message("bot_created", bot(2), 5));
    expect(seen).toEqual([1, 2]);
    expect(heard).toEqual(["bot_created"]);
  });

  it("subscribes once for all who follow, and lets go with the last", async () => {
    const { hub, feed, stop } = await start();
    const second = feed.watch(() => {});
    expect(hub.last.types().filter((type) => type === "subscribe user")).toHaveLength(1);
    stop();
    second();
    second();
    expect(hub.last.types().at(-1)).toBe("unsubscribe user");
  });

  it("asks REST every minute while the hub is gone, and shows that", async () => {
    const { clock, hub, feed, says, asked } = await start();
    says(snapshot({ bots: [bot(1)] }), 4);
    hub.last.dies();
    clock.advance(60_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked.slice(0, 5)).toEqual([
      "GET /api/v1/bots?limit=500", "GET /api/v1/orders?limit=500&status=PENDING", "GET /api/v1/orders?limit=500&status=PARTIALLY_FILLED",
      "GET /api/v1/logs?limit=50", "GET /api/v1/portfolio",
    ]);
    expect([...feed.state.bots.keys()]).toEqual([5]);
  });

  it("does not let an answer undo what the hub has told meanwhile", async () => {
    const { hub, feed, says } = await start();
    says(snapshot({ bots: [bot(1)] }), 4);
    const late = feed.refetch();
    hub.last.says(message("bot_created", bot(2), 5));
    await late;
    expect([...feed.state.bots.keys()]).toEqual([1, 2]);
  });

  it("tells who follows that the hub does not let them in", async () => {
    const { hub, feed } = await start();
    const asked = hub.last.sent.at(-1);
    hub.last.says({ type: "error", code: "unauthorized", message: "Sign in.", channel: "user", id: asked?.id });
    expect(feed.error?.code).toBe("unauthorized");
  });
});

it("what was one user's is not shown to the next", () => {
  const log: string[] = [];
  const watchers: ((account: { id: number; name: string; role: string } | null) => void)[] = [];
  followSignIn(
    { watch: (watcher) => (watchers.push(watcher), watcher(null), () => {}), token: async () => null },
    { identify: (who) => void log.push(who ? "identify" : "nobody") },
    { clear: () => void log.push("clear") },
  );
  const become = (account: { id: number; name: string; role: string } | null): void => watchers[0]?.(account);
  become({ id: 1, name: "ada", role: "user" });
  become({ id: 1, name: "ada", role: "admin" });
  become({ id: 2, name: "bob", role: "user" });
  become(null);
  expect(log).toEqual(["clear", "identify", "clear", "identify", "clear", "nobody"]);
});

describe("the API", () => {
  it("reads a list to its end, page by page", async () => {
    let page = 0;
    const fetch: typeof globalThis.fetch = async (url) => {
      page += 1;
      expect(String(url)).toBe(page === 1 ? "http://h/api/v1/bots?limit=500" : "http://h/api/v1/bots?limit=500&before=2-3");
      return new Response(JSON.stringify(page === 1 ? { bots: [bot(3), bot(2)], next: "2-3" } : { bots: [bot(1)], next: null }));
    };
    const bots = await new TradingApi(new ApiKey("http://h", "ok_key", { fetch })).bots();
    expect(bots.map(({ id }) => id)).toEqual([3, 2, 1]);
  });

  it("filters orders and logs as the server knows it, and sends the key", async () => {
    const { api, asked } = server(everything);
    await api.orders({ bot_id: 3, status: "FILLED" });
    await api.logs({ level: "ERROR", limit: 20 });
    expect(asked).toEqual(["GET /api/v1/orders?bot_id=3&status=FILLED", "GET /api/v1/logs?limit=20&level=ERROR"]);
  });

  it("says malformed of what is no list of bots", async () => {
    const { api } = server({ "/api/v1/bots": { bots: [{ id: 1 }] } });
    await expect(api.bots()).rejects.toMatchObject({ kind: "malformed" });
  });

  it("passes the server's own words on", async () => {
    const { api } = server({});
    await expect(api.deleteBot(9)).rejects.toMatchObject({ kind: "http", status: 404, message: "no" });
  });
});

describe("the counter of trades", () => {
  const counts = { trades_7d: 70, trades_30d: 300, last_updated: "2026-01-01T00:00:00.000Z" };

  function follow(body: unknown = { success: true, data: counts }) {
    const clock = new FakeClock();
    const hub = new FakeHub();
    const connection = new Connection("ws://hub", { clock, openSocket: hub.openSocket });
    const states: TradeStatsState[] = [];
    let polls = 0;
    const fetch: typeof globalThis.fetch = async () => {
      polls += 1;
      return new Response(JSON.stringify(body));
    };
    const stop = followTradeStats((state) => void states.push(state), { origin: "http://h", connection, clock, fetch });
    return { clock, hub, states, stop, polls: () => polls };
  }

  it("is asked for at once and every 10 s while nothing is pushed", async () => {
    const { clock, states, polls, stop } = follow();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(states.at(-1)).toEqual({ stats: counts, error: null, live: false });
    clock.advance(20_000);
    expect(polls()).toBe(3);
    stop();
    clock.advance(60_000);
    expect(polls()).toBe(3);
  });

  it("is pushed while the hub is up, and polled again when it is gone", async () => {
    const { clock, hub, states, polls } = follow();
    hub.last.accept();
    hub.last.answers("stats:trades", counts);
    hub.last.says({ type: "stats_update", channel: "stats:trades", data: { ...counts, trades_7d: 71 } });
    expect(states.at(-1)).toMatchObject({ live: true, stats: { trades_7d: 71 } });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const before = polls();
    clock.advance(10_000);
    expect(polls()).toBe(before);
    hub.last.dies();
    expect(states.at(-1)?.live).toBe(false);
    clock.advance(10_000);
    expect(polls()).toBe(before + 1);
  });

  it("keeps what it knows when asking fails", async () => {
    const { hub, states } = follow({ success: true, data: null });
    hub.last.accept();
    hub.last.answers("stats:trades", counts);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(states.at(-1)?.stats).toEqual(counts);
  });
});
