/** Pushed while the hub can be heard, polled while it cannot; never both, never too often. */

import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock, FakeHub } from "../../typescript/test/fakes.ts";
import { type Listener, Source } from "../src/source.ts";
import { ask, hubUrl, isStats, type Stats } from "../src/stats.ts";

const figures = (trades: number): Stats => ({
  trades_7d: trades, trades_30d: trades, last_updated: "2026-01-01T00:00:00.000Z",
});
const ok = (trades: number): Response =>
  new Response(JSON.stringify({ success: true, data: figures(trades), message: "" }));
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

class Log implements Listener {
  readonly lines: string[] = [];
  onStats(stats: Stats, live: boolean): void {
    this.lines.push(`${stats.trades_7d}${live ? " live" : ""}`);
  }
  onFailure(): void {
    this.lines.push("failure");
  }
  onLost(): void {
    this.lines.push("lost");
  }
  get last(): string | undefined {
    return this.lines.at(-1);
  }
}

let clock: FakeClock;
let hub: FakeHub;
let log: Log;
let answers: (() => Response | Promise<Response>)[];
let asked: string[];

function source(address: string | null = "ws://h"): Source {
  const fetch = async (url: string): Promise<Response> => {
    asked.push(url);
    return (answers.shift() ?? (() => ok(asked.length)))();
  };
  const made = new Source("https://api", address, { clock, fetch, openSocket: hub.openSocket }, log);
  made.start();
  return made;
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await settled();
}

beforeEach(() => {
  clock = new FakeClock();
  hub = new FakeHub();
  log = new Log();
  answers = [];
  asked = [];
});

describe("polling", () => {
  it("asks at once and then every ten seconds", async () => {
    source(null);
    await settled();
    expect(asked).toEqual(["https://api/api/public/stats/trades"]);
    await pass(9_999);
    expect(asked).toHaveLength(1);
    await pass(1);
    expect(log.lines).toEqual(["1", "2"]);
  });

  it("leaves a server alone for as long as it says", async () => {
    answers = [() => new Response("{}", { status: 429, headers: { "Retry-After": "42" } })];
    source(null);
    await settled();
    expect(log.lines).toEqual(["failure"]);
    await pass(41_000);
    expect(asked).toHaveLength(1);
    await pass(1_000);
    expect(log.last).toBe("2");
  });

  it("goes on after every kind of failure", async () => {
    answers = [
      () => Promise.reject(new TypeError("refused")),
      () => new Response("<html>", { status: 200 }),
      () => new Response(JSON.stringify({ data: { trades_7d: "many" } })),
      () => new Response("null"),
    ];
    source(null);
    for (let turn = 0; turn < 4; turn++) await pass(turn ? 10_000 : 0);
    expect(log.lines).toEqual(["failure", "failure", "failure", "failure"]);
    await pass(10_000);
    expect(log.last).toBe("5");
  });

  it("gives up an answer that does not come", async () => {
    const never = (_: string, init: { signal: AbortSignal }): Promise<Response> =>
      new Promise((_resolve, reject) => init.signal.addEventListener("abort", () => reject(new Error("aborted"))));
    const answer = ask(never as never, clock, "https://api", 8_000);
    clock.advance(8_000);
    expect(await answer).toEqual({ retryAfter: 0 });
  });
});

describe("pushing", () => {
  it("takes over from polling, and gives back when the hub is lost", async () => {
    source();
    await settled();
    hub.last.accept();
    expect(hub.last.types()).toEqual(["subscribe stats:trades"]);
    hub.last.says({ type: "subscribed", channel: "stats:trades", data: figures(7) });
    hub.last.says({ type: "stats_update", channel: "stats:trades", data: figures(8) });
    expect(log.lines).toEqual(["1", "7 live", "8 live"]);
    await pass(20_000);
    expect(asked).toHaveLength(1);
    hub.last.dies();
    await settled();
    expect(log.lines.slice(3)).toEqual(["lost", "2"]);
    await pass(10_000);
    expect(log.last).toBe("3");
  });

  it("polls while the hub knows no figures", async () => {
    source();
    await settled();
    hub.last.accept();
    hub.last.says({ type: "subscribed", channel: "stats:trades", data: null });
    await pass(10_000);
    expect(log.lines).toEqual(["1", "2"]);
    hub.last.says({ type: "stats_update", channel: "stats:trades", data: figures(9) });
    expect(log.last).toBe("9 live");
  });

  it("comes back, ever later, also from a hub that refuses it", async () => {
    source();
    await settled();
    for (const wait of [1_500, 3_000, 6_000]) {
      const tries = hub.sockets.length;
      hub.last.accept();
      hub.last.says({ type: "error", code: "forbidden", message: "no" });
      expect(hub.last.readyState).toBe(3);
      clock.advance(wait - 1);
      expect(hub.sockets).toHaveLength(tries);
      clock.advance(1);
      expect(hub.sockets).toHaveLength(tries + 1);
    }
    await settled();
    expect(log.lines).not.toContain("lost");
  });

  it("finds out that a hub is dead", async () => {
    source();
    await settled();
    hub.last.accept();
    hub.last.says({ type: "subscribed", channel: "stats:trades", data: figures(7) });
    await pass(25_000);
    expect(hub.last.types()).toContain("ping");
    hub.last.says({ type: "pong" });
    await pass(25_000);
    expect(log.last).toBe("7 live");
    await pass(10_000);
    expect(log.lines).toContain("lost");
  });

  it("does without a hub that cannot even be addressed", async () => {
    const openSocket = (): never => {
      throw new SyntaxError("no address");
    };
    new Source("https://api", "nonsense", { clock, fetch: async () => ok(3), openSocket }, log).start();
    await settled();
    expect(log.lines).toEqual(["3"]);
  });

  it("says nothing after it was stopped", async () => {
    const stopped = source();
    await settled();
    hub.last.accept();
    stopped.stop();
    expect(hub.last.readyState).toBe(3);
    await pass(100_000);
    expect(log.lines).toEqual(["1"]);
    expect(hub.sockets).toHaveLength(1);
    stopped.start();
    await settled();
    expect(log.lines).toEqual(["1", "2"]);
  });
});

describe("addresses and figures", () => {
  it("finds the hub", () => {
    expect(hubUrl("http://h:8000", null, "")).toBe("ws://h:8001/api/v1/ws/app");
    expect(hubUrl("https://h", null, "")).toBe("wss://h/api/v1/ws/app");
    expect(hubUrl("https://h", null, ":9001")).toBe("wss://h:9001/api/v1/ws/app");
    expect(hubUrl("https://h", null, "wss://other/ws")).toBe("wss://other/ws");
    expect(hubUrl("https://h", null, "@OUTCRY_HUB@")).toBe("wss://h/api/v1/ws/app");
    expect(hubUrl("https://h", "wss://own/x", ":1")).toBe("wss://own/x");
  });

  it("believes whole numbers only", () => {
    expect(isStats(figures(0))).toBe(true);
    for (const odd of [null, 7, {}, { trades_7d: -1, trades_30d: 1 }, { trades_7d: 1.5, trades_30d: 2 }]) {
      expect(isStats(odd)).toBe(false);
    }
  });
});
