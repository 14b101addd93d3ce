import { ApiError, type Connection, type Token, type TokenCandle, type TokenChange, type TokenCandleQuery, type TokenSnapshot, type TokenTrade, type TopTokens } from "@openoutcry/client";
import { signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { boughtShare, filledHours, hoursToShow } from "../src/state/hours.ts";
import { Series } from "../src/state/series.ts";
import { TokenCandles } from "../src/state/tokenCandles.ts";
import { TokenFeed } from "../src/state/tokenFeed.ts";
import { TokenLive } from "../src/state/tokenLive.ts";
import { firstTokenSort, matches, orderedTokens, TOKEN_COLUMNS } from "../src/state/tokenOrder.ts";
import { TokenRanking } from "../src/state/tokenRanking.ts";
import { readTokenHash, writeTokenHash } from "../src/state/tokenSession.ts";
import { MOST_TRADES, withTrades } from "../src/state/tokenTape.ts";
import { niceScale } from "../src/tokens/HourBars.tsx";
import { coloursOf } from "../src/tokens/Avatar.tsx";
import { bar, times, token, tokenTrade } from "./make.ts";

const T = Date.UTC(2026, 10, 21, 9, 15, 29);
const HOUR = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ now: T, toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.stubGlobal("document", { hidden: false });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = async (ms: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));

describe("a token's tape", () => {
  const blocks = (list: readonly TokenTrade[]): number[] => list.map(({ blockNumber }) => blockNumber);

  it("has the newest on top, each once, however they come", () => {
    const list = withTrades(withTrades([], [tokenTrade(5), tokenTrade(4)]), [tokenTrade(6, 1), tokenTrade(6, 0), tokenTrade(5)]);
    expect(list.map(({ blockNumber, logIndex }) => [blockNumber, logIndex])).toEqual([[6, 1], [6, 0], [5, 0], [4, 0]]);
  });

  it("drops what was in a block that never was, and takes its successor", () => {
    const list = withTrades([tokenTrade(6), tokenTrade(5)], [tokenTrade(6, 0, { blockHash: "0xother" })], ["0xb6"]);
    expect(list.map(({ blockHash }) => blockHash)).toEqual(["0xother", "0xb5"]);
    expect(withTrades(list, [tokenTrade(6)], ["0xother"]).map(({ blockHash }) => blockHash)).toEqual(["0xb6", "0xb5"]);
  });

  it("keeps so many, and the same list where nothing has changed", () => {
    const many = Array.from({ length: MOST_TRADES }, (_, index) => tokenTrade(index));
    const list = withTrades([], many);
    const next = withTrades(list, [tokenTrade(1_000)]);
    expect([next.length, next[0]?.blockNumber, next.at(-1)?.blockNumber]).toEqual([MOST_TRADES, 1_000, 1]);
    expect(withTrades(list, [], ["0xunknown"])).toEqual(list);
    expect(withTrades(list, [tokenTrade(7)])).toBe(list);
    expect(blocks(withTrades([], [tokenTrade(1), tokenTrade(1)]))).toEqual([1]);
  });
});

describe("the order of tokens", () => {
  const otter = token("0xaa", { name: "Otter", symbol: "OTT", volume24h: "5", marketCap: null, createdAt: 50, holderCount: 9 });
  const tiger = token("0xbb", { name: "Tiger", symbol: "TIG", volume24h: "7", marketCap: "3", createdAt: 70, holderCount: 1 });
  const bread = token("0xcc", { name: "bread", symbol: "BRD", volume24h: "6", marketCap: "8", createdAt: null, holderCount: 4, creator: "0xdead" });
  const all = [otter, tiger, bread];
  const names = (list: readonly Token[]): string => list.map(({ symbol }) => symbol).join(" ");

  it.each([
    ["volume24h", "TIG BRD OTT"], ["marketCap", "BRD TIG OTT"], ["holders", "OTT BRD TIG"], ["age", "TIG OTT BRD"], ["name", "BRD OTT TIG"],
  ] as const)("by %s, what is not known last", (by, order) => {
    expect(names(orderedTokens(all, "", firstTokenSort(by)))).toBe(order);
  });

  it("keeps what is not known last the other way round", () => {
    expect(names(orderedTokens(all, "", { by: "marketCap", descending: false }))).toBe("TIG BRD OTT");
  });

  it("is the same whichever way they come", () => {
    for (const by of TOKEN_COLUMNS) {
      expect(orderedTokens([...all].reverse(), "", firstTokenSort(by))).toEqual(orderedTokens(all, "", firstTokenSort(by)));
    }
  });

  it.each([["ott", "OTT"], ["$brd", "BRD"], ["TIGER", "TIG"], ["0xBB", "TIG"], ["0xdead", "BRD"], [" ", "OTT TIG BRD"], ["zzz", ""], ["xaa", ""]])(
    "finds %j", (query, found) => expect(names(all.filter((one) => matches(one, query)))).toBe(found),
  );
});

/** A hub and a server that say what the test scripts. */
class Fake {
  lists: Record<string, readonly Token[]> = { "24h": [token("0xaa", { volume24h: "2" })], new: [token("0xaa"), token("0xbb", { volume24h: "0" })] };
  asked: string[] = [];
  cursors: (string | undefined)[] = [];
  pages: { readonly trades: readonly TokenTrade[]; readonly next: string | null }[] = [];
  failing = false;
  up = true;
  snapshot: (data: never) => void = () => {};
  change: (data: never) => void = () => {};
  unsubscribed = 0;
  watcher: (status: { state: string }) => void = () => {};

  readonly connection = {
    subscribe: (_: string, snapshot: Fake["snapshot"], change: Fake["change"]) => {
      this.snapshot = snapshot;
      this.change = change;
      return () => void (this.unsubscribed += 1);
    },
    watch: (watcher: Fake["watcher"]) => {
      this.watcher = watcher;
      watcher({ state: this.up ? "live" : "reconnecting" });
      return () => {};
    },
  } as unknown as Connection;

  readonly api = {
    top: async (window = "24h") => {
      this.asked.push(window);
      if (this.failing) throw new ApiError("http", "No.", 503);
      return { window, block: 1, asOf: 1, tokens: this.lists[window] ?? [] } as never;
    },
    token: async () => {
      this.asked.push("token");
      if (this.failing) throw new ApiError("http", "There is none.", 404);
      return { ...token("0xaa"), marketCapSource: "chain", block: 1 } as never;
    },
    trades: async (_: string, query: { readonly cursor?: string } = {}) => {
      this.asked.push("trades");
      this.cursors.push(query.cursor);
      const page = this.pages.shift();
      if (page) return page;
      return { trades: [tokenTrade(3), tokenTrade(2)], next: null };
    },
  };

  push(tokens: readonly Token[]): void {
    this.change({ window: "24h", tokens } satisfies TopTokens as never);
  }
}

describe("the feed of tokens", () => {
  it("puts the lists together, and what was told last counts", async () => {
    const fake = new Fake();
    const feed = new TokenFeed(fake.connection, fake.api, "24h");
    fake.snapshot({ window: "24h", tokens: [token("0xaa", { volume24h: "1" })] } as never);
    expect(feed.phase.value.kind).toBe("loading");
    await pass(0);
    expect(feed.tokens.value.map(({ address }) => address).sort()).toEqual(["0xaa", "0xbb"]);
    fake.push([token("0xaa", { volume24h: "9", currentPrice: "2" }), token("0xcc")]);
    expect(feed.tokens.value.find(({ address }) => address === "0xaa")?.volume24h).toBe("9");
    expect(feed.tokens.value).toHaveLength(3);
    expect(feed.moveOf("0xaa")?.direction).toBe("up");
    expect(feed.moveOf("0xbb")).toBeNull();
    await pass(1_000);
    expect(feed.moveOf("0xaa")).toBeNull();
    feed.stop();
    expect(fake.unsubscribed).toBe(1);
  });

  it("does not let an answer undo what was told since it was asked for", async () => {
    const fake = new Fake();
    const feed = new TokenFeed(fake.connection, fake.api, "24h");
    fake.push([token("0xaa", { volume24h: "9" })]);
    await pass(0);
    expect(feed.tokens.value.find(({ address }) => address === "0xaa")?.volume24h).toBe("9");
    feed.stop();
  });

  it("asks for the list that begins with what is wanted first", async () => {
    const fake = new Fake();
    const feed = new TokenFeed(fake.connection, fake.api, "24h");
    await pass(0);
    feed.want("7d");
    feed.want("7d");
    expect(fake.asked).toEqual(["24h", "new", "7d", "new"]);
    feed.stop();
  });

  it("asks every 30 s while the hub tells, every 10 s while it does not, and never when it is over", async () => {
    const fake = new Fake();
    const feed = new TokenFeed(fake.connection, fake.api, "new");
    for (let second = 0; second < 60; second += 1) {
      fake.push([token("0xaa")]);
      await pass(1_000);
    }
    expect(feed.isPushed).toBe(true);
    expect(fake.asked).toHaveLength(3);
    await pass(30_500);
    expect(feed.isPushed).toBe(false);
    expect(fake.asked.length).toBeGreaterThanOrEqual(5);
    feed.stop();
    const { length } = fake.asked;
    await pass(60_000);
    expect(fake.asked).toHaveLength(length);
  });

  it("says the server's words when nothing can be shown, and keeps what there is otherwise", async () => {
    const fake = new Fake();
    fake.failing = true;
    const feed = new TokenFeed(fake.connection, fake.api, "24h");
    await pass(0);
    expect(feed.phase.value).toEqual({ kind: "error", message: "No." });
    fake.failing = false;
    await pass(11_000);
    expect(feed.phase.value.kind).toBe("ready");
    fake.failing = true;
    await pass(20_000);
    expect(feed.phase.value.kind).toBe("ready");
    feed.stop();
  });

  it("forgets a token that the chain has taken back", async () => {
    const fake = new Fake();
    const feed = new TokenFeed(fake.connection, fake.api, "24h");
    await pass(0);
    fake.lists.new = [token("0xaa")];
    await feed.load();
    expect(feed.tokens.value.map(({ address }) => address)).toEqual(["0xaa"]);
    feed.stop();
  });
});

describe("the ranking", () => {
  it("stays while somebody points at it, with figures that go on", () => {
    const tokens = signal<readonly Token[]>([token("0xaa", { volume24h: "2" }), token("0xbb", { volume24h: "1" })]);
    const ranking = new TokenRanking(tokens);
    const order = (): string[] => ranking.rows.value.map(({ address, volume24h }) => `${address} ${volume24h}`);
    expect(order()).toEqual(["0xaa 2", "0xbb 1"]);
    ranking.hold("pointer", true);
    vi.setSystemTime(T + 10_000);
    tokens.value = [token("0xaa", { volume24h: "2" }), token("0xbb", { volume24h: "5" }), token("0xcc", { volume24h: "9" })];
    expect(order()).toEqual(["0xaa 2", "0xbb 5"]);
    ranking.hold("pointer", false);
    tokens.value = [...tokens.value];
    expect(order()).toEqual(["0xcc 9", "0xbb 5", "0xaa 2"]);
    ranking.show("bb", "holders", true);
    expect(order()).toEqual(["0xbb 5"]);
    ranking.stop();
  });
});

describe("one token, live", () => {
  const snapshot = (trades: readonly TokenTrade[]): TokenSnapshot => ({ token: token("0xaa"), trades });

  it("shows what the hub tells, and tells of trades taken back", async () => {
    const fake = new Fake();
    const live = new TokenLive(fake.connection, fake.api, "0xAA");
    const told: boolean[] = [];
    live.onTraded((undone) => void told.push(undone));
    fake.snapshot(snapshot([tokenTrade(2), tokenTrade(1)]) as never);
    await pass(0);
    expect(live.detail.value?.marketCapSource).toBe("chain");
    fake.change({ token: token("0xaa", { tradeCount: 4 }), trades: [tokenTrade(3)], undone: [] } satisfies TokenChange as never);
    fake.change({ token: token("0xaa", { tradeCount: 3 }), trades: [], undone: ["0xb3"] } satisfies TokenChange as never);
    expect(live.trades.value?.map(({ blockNumber }) => blockNumber)).toEqual([2, 1]);
    expect(live.token.value?.tradeCount).toBe(3);
    expect(told).toEqual([false, true]);
    // After a pause whatever was drawn from trades is to be looked at again.
    fake.snapshot(snapshot([tokenTrade(9)]) as never);
    expect(told).toEqual([false, true, true]);
    expect(live.trades.value).toHaveLength(1);
    expect(fake.asked).toEqual(["token"]);
    live.stop();
  });

  it("goes back in time page by page, and keeps what it has while new ones come", async () => {
    const fake = new Fake();
    const live = new TokenLive(fake.connection, fake.api, "0xaa");
    const numbers = (): number[] => live.trades.value?.map(({ blockNumber }) => blockNumber) ?? [];
    fake.snapshot(snapshot([tokenTrade(9), tokenTrade(8)]) as never);
    fake.pages = [{ trades: [tokenTrade(9), tokenTrade(8), tokenTrade(7)], next: "n7" }, { trades: [tokenTrade(6)], next: null }];
    await live.loadOlder();
    expect(numbers()).toEqual([9, 8, 7]);
    fake.change({ token: token("0xaa"), trades: [tokenTrade(10)], undone: ["0xb7"] } satisfies TokenChange as never);
    const both = [live.loadOlder(), live.loadOlder()];
    await Promise.all(both);
    expect(numbers()).toEqual([10, 9, 8, 6]);
    expect(live.older.value).toBe("end");
    expect(fake.cursors).toEqual([undefined, "n7"]);
    // A snapshot begins anew: between it and what was there something may be missing.
    fake.snapshot(snapshot([tokenTrade(99)]) as never);
    expect([numbers(), live.older.value]).toEqual([[99], "idle"]);
    live.stop();
  });

  it("does not put older trades under a list that has begun anew meanwhile", async () => {
    const fake = new Fake();
    const live = new TokenLive(fake.connection, fake.api, "0xaa");
    fake.snapshot(snapshot([tokenTrade(9)]) as never);
    const asked = live.loadOlder();
    fake.snapshot(snapshot([tokenTrade(500)]) as never);
    await asked;
    expect(live.trades.value?.map(({ blockNumber }) => blockNumber)).toEqual([500]);
    expect(live.older.value).toBe("idle");
    live.stop();
  });

  it("asks REST for trades where the hub says nothing, and goes on asking", async () => {
    const fake = new Fake();
    fake.up = false;
    const live = new TokenLive(fake.connection, fake.api, "0xaa");
    await pass(0);
    expect(live.token.value?.address).toBe("0xaa");
    expect(live.trades.value).toBeNull();
    await pass(3_000);
    expect(live.trades.value).toHaveLength(2);
    const { length } = fake.asked;
    await pass(25_000);
    expect(fake.asked.length).toBeGreaterThan(length + 2);
    live.stop();
  });

  it("says that there is no such token, once", async () => {
    const fake = new Fake();
    fake.failing = true;
    const live = new TokenLive(fake.connection, fake.api, "0xaa");
    await pass(30_000);
    expect(live.problem.value).toEqual({ message: "There is none.", missing: true });
    expect(fake.asked).toEqual(["token"]);
    live.stop();
  });
});

describe("a token's candles", () => {
  const minute = Math.floor(T / 60_000) * 60_000;
  const candle = (time: number, change: Partial<TokenCandle> = {}): TokenCandle => ({
    time, open: "1", high: "2", low: "1", close: "2", volume: "10", quoteVolume: "5", trades: 2, buys: 1, buyQuoteVolume: "3", ...change,
  });

  function server(first: readonly TokenCandle[]) {
    const state = { candles: first, asked: [] as TokenCandleQuery[] };
    const api = {
      candles: async (_: string, query: TokenCandleQuery) => {
        state.asked.push(query);
        return state.candles.filter(({ time }) => time >= query.start && time <= query.end);
      },
    };
    return { state, feed: new TokenCandles(api, "0xaa", "1m") };
  }

  it("are asked for again after trades, at most once a second, from the newest on", async () => {
    const { state, feed } = server([candle(minute - 60_000), candle(minute)]);
    await pass(0);
    expect(feed.series.bars.map(({ volume, complete }) => [volume, complete])).toEqual([["5", true], ["5", false]]);
    state.candles = [candle(minute - 60_000), candle(minute, { trades: 5, close: "3", quoteVolume: "8" })];
    const { length } = state.asked;
    for (let count = 0; count < 20; count += 1) {
      feed.changed(false);
      await pass(50);
    }
    await pass(1_000);
    expect(feed.series.bars.at(-1)).toMatchObject({ close: "3", volume: "8", trades: 5 });
    expect(state.asked.length - length).toBeLessThanOrEqual(2);
    expect(state.asked.at(-1)?.start).toBe(minute);
    feed.stop();
  });

  it("lose what was taken back", async () => {
    const { state, feed } = server([candle(minute - 120_000), candle(minute - 60_000), candle(minute)]);
    await pass(0);
    state.candles = [candle(minute - 120_000, { trades: 1 })];
    feed.changed(true);
    await pass(1_500);
    expect(feed.series.bars).toHaveLength(1);
    expect(feed.series.bars[0]?.trades).toBe(1);
    feed.stop();
  });

  it("are complete once their time is over", async () => {
    const { feed } = server([candle(minute)]);
    await pass(0);
    await pass(60_000);
    expect(feed.series.bars[0]?.complete).toBe(true);
    feed.stop();
  });

  it("begin by themselves with the first trade", async () => {
    const { state, feed } = server([]);
    await pass(0);
    expect(feed.phase.value.kind).toBe("empty");
    state.candles = [candle(minute)];
    feed.changed(false);
    await pass(1_500);
    expect(feed.phase.value.kind).toBe("ready");
    feed.stop();
  });
});

describe("a series whose end is replaced", () => {
  const series = (...list: number[]): Series => {
    const made = new Series();
    made.mergePage(list.map((time) => bar(time)));
    return made;
  };

  it.each([
    ["the same", [2, 3], "none"], ["a newest that changed", [2, 3.5], "tail"], ["one more", [2, 3, 4], "tail"], ["one less", [2], "all"], ["none", [], "all"],
  ])("by %s", (_, page, kind) => {
    const one = series(1, 2, 3);
    const next = page.map((time) => bar(Math.floor(time), Number.isInteger(time) ? {} : { trades: 9 }));
    const change = one.replaceFrom(2, next);
    expect(change.kind).toBe(kind);
    expect(times(one.bars)).toEqual([1, ...next.map(({ time }) => time)]);
  });

  it("may lose trades, and older changes redraw everything", () => {
    const one = series(1, 2, 3);
    expect(one.replaceFrom(2, [bar(2, { trades: 1 }), bar(3)])).toEqual({ kind: "all" });
    expect(one.bars[1]?.trades).toBe(1);
  });
});

describe("hours", () => {
  const at = Math.floor(T / HOUR) * HOUR;
  const hour = (time: number) => ({ time, volume: "2", trades: 3, buys: 2, buyVolume: "0.5" });

  it("are all there, with and without trades", () => {
    const filled = filledHours([hour(at - 2 * HOUR), hour(at), hour(at - 90 * HOUR)], T, 4);
    expect(filled.map(({ time, volume }) => [(time - at) / HOUR, volume])).toEqual([[-3, "0"], [-2, "2"], [-1, "0"], [0, "2"]]);
  });

  it("are shown by whole days, from the first that has any", () => {
    const shown = (ago: number): number => hoursToShow([hour(at - ago * HOUR), hour(at)], T, 168);
    expect([shown(1), shown(23), shown(24), shown(100), shown(400)]).toEqual([24, 24, 48, 120, 168]);
    expect(hoursToShow([], T, 168)).toBe(24);
  });

  it("say what share was bought", () => {
    expect(boughtShare([hour(1), { ...hour(2), buyVolume: "1.5" }])).toBe(50);
    expect(boughtShare([])).toBeNull();
  });

  it.each([[0, 1], [0.0042, 0.005], [0.00021, 0.0003], [0.7, 0.8], [3, 3], [26, 30], [95, 100]])("have a scale: of %d up to %d", (most, top) => expect(niceScale(most)).toBe(top));
});

describe("addresses", () => {
  it("remember the token and its interval", () => {
    const address = `0x${"ab".repeat(20)}`;
    expect(readTokenHash(`#token/${address}/1h`)).toEqual({ address, interval: "1h" });
    expect(readTokenHash(`#token/${address}/1s`)).toEqual({ address, interval: "5m" });
    expect(readTokenHash(writeTokenHash({ address, interval: "15m" }))).toEqual({ address, interval: "15m" });
    expect(writeTokenHash({ address, interval: "5m" })).toBe(`#token/${address}`);
  });

  it("have colours of their own", () => {
    expect(coloursOf(`0x${"ab".repeat(20)}`)).not.toEqual(coloursOf(`0x${"ac".repeat(20)}`));
    expect(coloursOf("")).toEqual({ from: 0, to: 40, turn: 0 });
  });
});
