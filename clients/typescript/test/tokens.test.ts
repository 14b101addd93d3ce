import { describe, expect, it } from "vitest";
import { connect } from "../src/shared.ts";
import { ApiError } from "../src/rest.ts";
import { TokensApi } from "../src/tokens/api.ts";
import type { Token, TokenChange, TokenSnapshot, TokenTrade, TopTokens } from "../src/tokens/types.ts";
import { FakeClock, FakeHub } from "./fakes.ts";

const ADDRESS = `0x${"ab".repeat(20)}` as const;

const token: Token = {
  address: ADDRESS, name: "Otter", symbol: "OTT", decimals: 18, launchpad: "sample", creator: `0x${"01".repeat(20)}`, createdAt: 1, graduatedAt: null,
  currentPrice: "0.000000000123456789", marketCap: "12.5", supply: "1000000", reserve: "3.25", target: "10", progressPercent: 32.5,
  holderCount: 3, tradeCount: 9, volume24h: "1", volume7d: "2", volumeTotal: "3",
};
const trade: TokenTrade = {
  txHash: `0x${"11".repeat(32)}`, blockNumber: 7, blockHash: `0x${"22".repeat(32)}`, logIndex: 0, time: 1_000, side: "buy",
  trader: `0x${"33".repeat(20)}`, eth: "0.5", tokens: "1000", price: "0.0005",
};
const hour = { time: 3_600_000, volume: "2", trades: 4, buys: 3, buyVolume: "1.5" };

/** A server that answers one thing, and remembers what it was asked. */
function server(data: unknown, status = 200) {
  const asked: { url: string; method: string; body: unknown }[] = [];
  const fetch = (async (url: string, init: RequestInit) => {
    asked.push({ url, method: init.method ?? "GET", body: init.body ? JSON.parse(String(init.body)) : null });
    return new Response(JSON.stringify(status === 200 ? { success: true, data } : { success: false, message: "No such token." }), { status });
  }) as typeof globalThis.fetch;
  return { api: new TokensApi("http://h", { fetch }), asked };
}

const reason = (error: unknown): unknown => error;

describe("TokensApi", () => {
  it("asks for a list by window and length", async () => {
    const list = { window: "7d", block: 5, asOf: 9, tokens: [token] };
    const { api, asked } = server(list);
    expect(await api.top("7d", { limit: 500 })).toEqual(list);
    expect(asked[0]?.url).toBe("http://h/api/tokens/top?window=7d&limit=500");
  });

  it("searches for what was typed, whatever it is", async () => {
    const found = { query: "50% & otter", block: 5, asOf: 9, tokens: [token] };
    const { api, asked } = server(found);
    expect(await api.search("50% & otter")).toEqual(found);
    await api.search("0xab", { limit: 50 });
    expect(asked.map(({ url }) => url)).toEqual(["http://h/api/tokens/search?q=50%25+%26+otter&limit=20", "http://h/api/tokens/search?q=0xab&limit=50"]);
    await expect(server({ tokens: [{}] }).api.search("a")).rejects.toMatchObject({ kind: "malformed" });
  });

  it("asks for one token", async () => {
    const { api, asked } = server({ ...token, marketCapSource: "chain", block: 5 });
    expect((await api.token(ADDRESS)).marketCapSource).toBe("chain");
    expect(asked[0]?.url).toBe(`http://h/api/tokens/${ADDRESS}`);
  });

  it("names the columns of candles", async () => {
    const { api, asked } = server({ interval: "1m", candles: [[60_000, "1", "3", "0.5", "2", "100", "0.2", 4, 3, "0.15"]] });
    const candles = await api.candles(ADDRESS, { interval: "1m", start: 0, end: 120_000 });
    expect(candles).toEqual([
      { time: 60_000, open: "1", high: "3", low: "0.5", close: "2", volume: "100", quoteVolume: "0.2", trades: 4, buys: 3, buyQuoteVolume: "0.15" },
    ]);
    expect(asked[0]?.url).toBe(`http://h/api/tokens/${ADDRESS}/candles?interval=1m&start=0&end=120000&limit=1000`);
  });

  it("pages through trades and holders by cursor", async () => {
    const first = server({ trades: [trade], next: "n1" });
    expect((await first.api.trades(ADDRESS, { limit: 1 })).next).toBe("n1");
    await first.api.trades(ADDRESS, { limit: 1, cursor: "n1" });
    expect(first.asked[1]?.url).toBe(`http://h/api/tokens/${ADDRESS}/trades?limit=1&cursor=n1`);
    const holder = { address: ADDRESS, balance: "5", percent: 50, firstBoughtAt: null, lastActiveAt: 4 };
    const holders = server({ holderCount: 1, supply: "10", holders: [holder, { ...holder, percent: null }], distribution: { top10Percent: 50 }, next: null });
    expect((await holders.api.holders(ADDRESS)).holders.map(({ percent }) => percent)).toEqual([50, null]);
  });

  it("asks for volumes of a token and of all", async () => {
    const spread = { window: "24h", hours: [hour], sizes: [{ ...hour, from: "0.01", to: "0.1" }] };
    expect(await server(spread).api.distribution(ADDRESS)).toEqual(spread);
    const platform = { volume24h: "1", volume7d: "2", volumeTotal: "3", tokenCount: 1, tradeCount: 4, block: 9, asOf: 1, hours: [hour] };
    expect(await server(platform).api.platform()).toEqual(platform);
  });

  it("asks for a price and confirms a trade", async () => {
    expect((await server({ ...token }).api.price(ADDRESS)).holderCount).toBe(3);
    const volumeMetrics = { volume24h: "1", volume7d: "1", volumeTotal: "1" };
    const { api, asked } = server({ volumeMetrics, marketCap: "9", holderCount: 1, message: "Recorded." });
    expect((await api.confirm(trade.txHash, ADDRESS, "buy")).message).toBe("Recorded.");
    expect(asked[0]).toEqual({ url: "http://h/api/trades/confirm", method: "POST", body: { txHash: trade.txHash, tokenAddress: ADDRESS, tradeType: "buy" } });
  });

  it("asks as somebody, where only users may", async () => {
    const paths: string[] = [];
    const credentials = {
      request: async (path: string) => {
        paths.push(path);
        return { success: true, data: { window: "24h", block: 1, asOf: 1, tokens: [] } };
      },
    };
    expect((await new TokensApi("http://elsewhere", { credentials }).top()).tokens).toEqual([]);
    expect(paths).toEqual(["/api/tokens/top?window=24h&limit=50"]);
  });

  it("passes the server's words on", async () => {
    const error = await server(null, 404).api.token(ADDRESS).catch(reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ kind: "http", status: 404, message: "No such token." });
  });

  it.each([null, [], { tokens: 1 }, { tokens: [{ ...token, volume24h: 1 }] }, { tokens: [{ ...token, marketCap: "much" }] }])(
    "calls a list of %j malformed",
    async (data) => {
      const error = await server(data).api.top().catch(reason);
      expect(error).toMatchObject({ kind: "malformed" });
    },
  );

  it.each([{ candles: [[1, "1"]] }, { candles: [[60_000, 1, "3", "0.5", "2", "100", "0.2", 4, 3, "0.15"]] }])("calls candles of %j malformed", async (data) => {
    const error = await server(data).api.candles(ADDRESS, { interval: "1m", start: 0, end: 1 }).catch(reason);
    expect(error).toMatchObject({ kind: "malformed" });
  });
});

describe("the hub's channels", () => {
  it("tell a token whole, then what is new and what never was", () => {
    const { hub, connection, release, malformed } = follow();
    const snapshots: TokenSnapshot[] = [];
    const changes: TokenChange[] = [];
    connection.subscribe(`token:${ADDRESS}`, (one) => void snapshots.push(one), (one) => void changes.push(one));
    hub.last.accept();
    hub.last.answers(`token:${ADDRESS}`, { token, trades: [trade] });
    const change = { token: { ...token, tradeCount: 10 }, trades: [{ ...trade, logIndex: 1 }], undone: [trade.blockHash] };
    hub.last.says({ type: "token_update", channel: `token:${ADDRESS}`, data: change });
    expect(snapshots).toEqual([{ token, trades: [trade] }]);
    expect(changes).toEqual([change]);
    hub.last.says({ type: "token_update", channel: `token:${ADDRESS}`, data: { token, trades: [{ ...trade, price: 1 }], undone: [] } });
    hub.last.says({ type: "token_update", channel: `token:${ADDRESS}`, data: { token, trades: [] } });
    expect(changes).toHaveLength(1);
    expect(malformed).toHaveLength(2);
    release();
  });

  it("tell the tokens with the most volume", () => {
    const { hub, connection, release } = follow();
    const told: (TopTokens | null)[] = [];
    connection.subscribe("tokens:top", (one) => void told.push(one), (one) => void told.push(one));
    hub.last.accept();
    hub.last.answers("tokens:top", { window: "24h", tokens: [token] });
    hub.last.says({ type: "tokens_update", channel: "tokens:top", data: { window: "24h", tokens: [] } });
    expect(told.map((one) => one?.tokens.length)).toEqual([1, 0]);
    release();
  });

  it("may know of no tokens yet", () => {
    const { hub, connection, release } = follow();
    const told: (TopTokens | null)[] = [];
    connection.subscribe("tokens:top", (one) => void told.push(one), () => {});
    hub.last.accept();
    hub.last.answers("tokens:top", null);
    expect(told).toEqual([null]);
    release();
  });
});

function follow() {
  const hub = new FakeHub();
  const malformed: unknown[] = [];
  const { connection, release } = connect("ws://tokens", {
    clock: new FakeClock(), openSocket: hub.openSocket, onMalformed: (text: unknown) => void malformed.push(text),
  });
  return { hub, connection, release, malformed };
}
