import type { Connection, MarketList, TickerUpdate } from "@openoutcry/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { freshnessWords, inAge, isStale } from "../src/state/freshness.ts";
import { type Freshness, MarketsFeed } from "../src/state/markets.ts";
import { Ranking } from "../src/state/ranking.ts";
import { poolSize, rowsInView, scrollTo } from "../src/state/window.ts";
import { market } from "./make.ts";

const T = Date.UTC(2026, 10, 21, 9, 15, 29);

/** A hub that says what the test scripts, and a server that answers one list. */
class Fake {
  list: MarketList = {
    source: "stream", age: 1, stale: false,
    markets: [market("AUSDT", "A", "USDT", { quoteVolume: "3" }), market("BUSDT", "B", "USDT", { quoteVolume: "2" })],
  };
  asked = 0;
  failing = false;
  subscribed = 0;
  snapshot: (list: MarketList | null) => void = () => {};
  change: (updates: readonly TickerUpdate[]) => void = () => {};

  readonly connection = {
    subscribe: (_: string, snapshot: Fake["snapshot"], change: Fake["change"]) => {
      this.subscribed += 1;
      this.snapshot = snapshot;
      this.change = change;
      return () => void (this.subscribed -= 1);
    },
  } as unknown as Connection;

  readonly fetch = async (): Promise<Response> => {
    this.asked += 1;
    if (this.failing) return new Response('{"success":false,"message":"No."}', { status: 503 });
    return new Response(JSON.stringify(this.list));
  };
}

let fake: Fake;

beforeEach(() => {
  fake = new Fake();
  vi.useFakeTimers({ now: T, toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.stubGlobal("fetch", fake.fetch);
  vi.stubGlobal("document", { hidden: false });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

describe("the feed", () => {
  it("asks once and is kept live by the hub, with a fresh list every minute", async () => {
    const feed = new MarketsFeed(fake.connection);
    const stop = feed.follow();
    await pass(0);
    expect(feed.phase.value.kind).toBe("ready");
    for (let second = 0; second < 59; second += 1) {
      fake.change([{ symbol: "AUSDT", price: String(second + 1) }]);
      await pass(1_000);
    }
    expect(feed.board.get("AUSDT")?.last).toBe(59);
    expect(fake.asked).toBe(1);
    for (let second = 0; second < 5; second += 1) {
      fake.change([{ symbol: "AUSDT", price: "7" }]);
      await pass(1_000);
    }
    expect(fake.asked).toBe(2);
    stop();
    expect(fake.subscribed).toBe(0);
  });

  it("polls every 10 s while the hub says nothing", async () => {
    const feed = new MarketsFeed(fake.connection);
    const stop = feed.follow();
    await pass(45_000);
    expect(fake.asked).toBe(5);
    expect(feed.freshness.value.pushed).toBe(false);
    fake.change([{ symbol: "AUSDT", price: "2" }]);
    expect(feed.freshness.value).toMatchObject({ pushed: true, stale: false });
    await pass(9_000);
    expect(fake.asked).toBe(5);
    stop();
  });

  it("says the server's words when nothing can be shown, and keeps what there is otherwise", async () => {
    fake.failing = true;
    const feed = new MarketsFeed(fake.connection);
    const stop = feed.follow();
    await pass(0);
    expect(feed.phase.value).toEqual({ kind: "error", message: "No." });
    fake.failing = false;
    await pass(11_000);
    expect(feed.phase.value.kind).toBe("ready");
    fake.failing = true;
    await pass(60_000);
    expect(feed.phase.value.kind).toBe("ready");
    expect(isStale(feed.freshness.value, Date.now())).toBe(true);
    stop();
  });

  it("is empty until there is a price, and neither asks nor listens once nobody looks", async () => {
    fake.list = { source: "none", age: null, stale: true, markets: [] };
    const feed = new MarketsFeed(fake.connection);
    const stop = feed.follow();
    await pass(0);
    expect(feed.phase.value.kind).toBe("empty");
    fake.list = new Fake().list;
    for (let second = 0; second < 11; second += 1) {
      fake.change([{ symbol: "AUSDT", price: "2" }]);
      await pass(1_000);
    }
    expect(feed.phase.value.kind).toBe("ready");
    stop();
    stop();
    const { asked } = fake;
    await pass(60_000);
    expect(fake.asked).toBe(asked);
  });
});

describe("the ranking", () => {
  async function ranked() {
    const feed = new MarketsFeed(fake.connection);
    const ranking = new Ranking(feed);
    feed.follow();
    await pass(0);
    const order = (): string => ranking.rows.value.map(({ base }) => base).join("");
    return { feed, ranking, order };
  }

  it("settles every three seconds, not with every change", async () => {
    const { order } = await ranked();
    expect(order()).toBe("AB");
    await pass(1_000);
    fake.change([{ symbol: "BUSDT", quoteVolume: "9" }]);
    expect(order()).toBe("AB");
    await pass(2_000);
    fake.change([{ symbol: "BUSDT", quoteVolume: "10" }]);
    expect(order()).toBe("BA");
  });

  it("keeps still while somebody points at it, but follows a click at once", async () => {
    const { ranking, order } = await ranked();
    ranking.hold("pointer", true);
    ranking.hold("scroll", true);
    await pass(5_000);
    fake.change([{ symbol: "BUSDT", quoteVolume: "9" }]);
    ranking.hold("scroll", false);
    await pass(5_000);
    fake.change([{ symbol: "BUSDT", quoteVolume: "9" }]);
    expect(order()).toBe("AB");
    ranking.sortBy("symbol");
    ranking.sortBy("symbol");
    expect(order()).toBe("BA");
    ranking.hold("pointer", false);
    expect(ranking.held.value).toBe(false);
  });

  it("drops a market that is gone even while it is held", async () => {
    const { ranking, order } = await ranked();
    ranking.hold("pointer", true);
    fake.snapshot({ ...fake.list, markets: [market("BUSDT", "B", "USDT"), market("CUSDT", "C", "USDT")] });
    expect(order()).toBe("B");
    ranking.release();
    await pass(3_000);
    fake.change([{ symbol: "BUSDT", price: "2" }]);
    expect(order()).toBe("BC");
  });
});

describe("the words for freshness", () => {
  const fresh: Freshness = { source: "stream", stale: false, asOf: T, pushed: true };

  it.each([
    [fresh, "good", "Stream, live"],
    [{ ...fresh, source: "rest" as const }, "good", "REST, 8 s old"],
    [{ ...fresh, pushed: false }, "wait", "Stream, polled 8 s ago"],
    [{ ...fresh, stale: true }, "wait", "Stale: 8 s old"],
    [{ ...fresh, asOf: T - 300_000 }, "wait", "Stale: 5 min old"],
    [{ ...fresh, asOf: null }, "wait", "No prices yet"],
  ])("%j", (state, tone, label) => expect(freshnessWords(state, T + 8_000)).toMatchObject({ tone, label }));

  it("rounds ages down", () => {
    expect([0, 99_999, 100_000, 5_999_000, 6_000_000].map(inAge)).toEqual(["0 s", "99 s", "1 min", "99 min", "1 h"]);
  });
});

describe("the window", () => {
  it("holds what is on the screen and a little beyond, and never more than its pool", () => {
    for (let scrollTop = 0; scrollTop < 3_000 * 44; scrollTop += 37) {
      const { first, end } = rowsInView(scrollTop, 700, 44, 3_000);
      expect(first * 44 <= scrollTop && (end === 3_000 || end * 44 >= scrollTop + 700)).toBe(true);
      expect(end - first).toBeLessThanOrEqual(poolSize(700, 44));
    }
  });

  it("is empty for an empty list, and within a list that became shorter", () => {
    expect(rowsInView(0, 700, 44, 0)).toEqual({ first: 0, end: 0 });
    const { first, end } = rowsInView(90_000, 700, 44, 10);
    expect(first).toBeLessThanOrEqual(end);
    expect(end).toBe(10);
  });

  it("scrolls no further than it must", () => {
    expect(scrollTo(0, 100, 440, 44)).toBe(0);
    expect(scrollTo(5, 100, 440, 44)).toBe(100);
    expect(scrollTo(20, 100, 440, 44)).toBe(21 * 44 - 440);
  });
});
