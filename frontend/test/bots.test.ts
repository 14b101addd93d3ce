import { describe, expect, it } from "vitest";
import { botRows, botTotals } from "../src/state/botRows.ts";
import { curvePoints } from "../src/state/curve.ts";
import { gain, money, toneOf } from "../src/state/money.ts";
import { ratesBetween } from "../src/state/monitor.ts";
import { pageOf, queryOf } from "../src/state/route.ts";
import { marketOf } from "../src/state/tickers.ts";
import { ago } from "../src/state/times.ts";
import { bot } from "./make.ts";

const all = { status: "all", query: "" } as const;
const holding = bot(2, { name: "Night", status: "ACTIVE", pnl: "-1", fees: "1", position: { quantity: "2", cost: "200" } });
const bots = [bot(1, { name: "Day", pnl: "3", total_trades: 4 }), holding, bot(3, { ticker: "ETHBTC", pnl: "0.5", status: "ERROR" })];
const bid = (ticker: string): string | null => (ticker === "BTCUSDT" ? "101.5" : null);

describe("the list of bots", () => {
  it("has the newest first, valued at the bid", () => {
    expect(botRows(bots, all, bid).map(({ bot: { id }, pnl }) => [id, pnl])).toEqual([[3, "0.5"], [2, "2"], [1, "3"]]);
  });

  it("waits for a price only where something is held", () => {
    expect(botRows(bots, all, () => null).map(({ pnl }) => pnl)).toEqual(["0.5", null, "3"]);
  });

  it("is narrowed by status and by name, market or strategy", () => {
    const ids = (filter: Parameters<typeof botRows>[1]) => botRows(bots, filter, bid).map(({ bot: { id } }) => id);
    expect(ids({ status: "active", query: "" })).toEqual([2]);
    expect(ids({ status: "all", query: "ethbtc" })).toEqual([3]);
    expect(ids({ status: "all", query: " NIGHT " })).toEqual([2]);
    expect(ids({ status: "error", query: "night" })).toEqual([]);
  });

  it("adds up by quote asset, exactly, and says what is not in it", () => {
    const quoteOf = (ticker: string): string => (ticker === "ETHBTC" ? "BTC" : "USDT");
    expect(botTotals(botRows(bots, all, bid), quoteOf)).toMatchObject({
      active: 1, errors: 1, count: 3, trades: 4,
      byAsset: [{ asset: "BTC", pnl: "0.5" }, { asset: "USDT", pnl: "5", fees: "1", complete: true }],
    });
    expect(botTotals(botRows(bots, all, () => null), quoteOf).byAsset[1]).toMatchObject({ pnl: "2", complete: false });
  });
});

describe("money", () => {
  it("is rounded to cents, or to what a coin is counted in", () => {
    expect(money("1234.567", "USDT", "en")).toBe("1,234.57");
    expect(money("0.123456789", "BTC", "en")).toBe("0.12345679");
  });

  it("has a sign and a colour only where there is something to see", () => {
    expect([gain("12.3", "USDT", "en"), gain("-0.42", "USDT", "en"), gain("-0.001", "USDT", "en")]).toEqual(["+12.30", "−0.42", "0.00"]);
    expect([toneOf("0.004", "USDT"), toneOf("-0.005", "USDT"), toneOf("0.005", "USDT")]).toEqual(["", "down", "up"]);
  });
});

it("a curve has each second once, the last of it, and never goes back", () => {
  const at = (ms: number, value: string) => ({ time: new Date(ms).toISOString(), value });
  expect(curvePoints([at(1_000, "1"), at(1_900, "2"), at(3_000, "3"), at(2_000, "9")], ({ value }) => value)).toEqual([{ time: 1, value: 2 }, { time: 3, value: 3 }]);
});

it("rates count what is new, also of channels that were not there before", () => {
  expect(ratesBetween({ a: 4 }, { a: 10, b: 2 }, 2)).toEqual({ a: 3, b: 1 });
});

it("addresses name pages, with a filter behind them", () => {
  expect(["#bots", "#orders?bot=3", "#/portfolio", "#analytics", "#BTCUSDT/1m"].map(pageOf)).toEqual(["bots", "orders", "portfolio", "portfolio", "chart"]);
  expect(queryOf("#orders?bot=3").get("bot")).toBe("3");
});

it("tickers that are not recorded are split by what everybody knows", () => {
  const config = { symbols: [{ symbol: "BTCUSDT", base: "BTC", quote: "USDT", priceScale: 2, sizeScale: 5 }], intervals: [], hubUrl: "", version: "", publicMarketData: true, liveExchanges: [], signUp: false, tokens: false };
  expect(marketOf(config, "BTCUSDT").sizeScale).toBe(5);
  expect(marketOf(config, "SOLEUR")).toMatchObject({ base: "SOL", quote: "EUR" });
});

it("says how long ago something was, and its date after a day", () => {
  const now = Date.parse("2026-01-02T12:00:00Z");
  expect(ago("2026-01-02T11:59:48.000Z", now)).toBe("12 s ago");
  expect(ago("2026-01-01T09:30:00.000Z", now)).toBe("1 Jan, 09:30:00");
});
