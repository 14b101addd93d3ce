import type { Market } from "@openoutcry/client";
import { describe, expect, it } from "vitest";
import { Board, digitsOf } from "../src/state/board.ts";
import { type Filter, firstSort, ordered, quoteAssets, trendOf, worthOf } from "../src/state/order.ts";
import { market } from "./make.ts";

const ALL: Filter = { query: "", quote: "", recorded: false };

function boardOf(...markets: Market[]): Board {
  const board = new Board();
  board.replace(markets, 0);
  return board;
}

const board = boardOf(
  market("BTCUSDT", "BTC", "USDT", { price: "60000.00", quoteVolume: "900", changePercent: "-1.5", carried: true, sparkline: [1, 2] }),
  market("ETHUSDT", "ETH", "USDT", { price: "3000", quoteVolume: "800", changePercent: "2.25", sparkline: [2, 1] }),
  market("ETHBTC", "ETH", "BTC", { price: "0.05", quoteVolume: "1", changePercent: "0.1" }),
  market("USDTTRY", "USDT", "TRY", { price: "40", quoteVolume: "4000", changePercent: "10" }),
  market("BTCXYZ", "BTC", "XYZ", { price: "7", quoteVolume: "999999", changePercent: "-12" }),
);
const symbols = (filter: Partial<Filter>, sort = firstSort("volume")): string[] =>
  ordered(board, { ...ALL, ...filter }, sort).map(({ symbol }) => symbol);

describe("the order", () => {
  it("compares volumes by their worth, and puts those last whose worth nobody knows", () => {
    // 1 BTC is 60,000 USDT, 4,000 lira are 100 USDT, XYZ has no price.
    expect(symbols({})).toEqual(["ETHBTC", "BTCUSDT", "ETHUSDT", "USDTTRY", "BTCXYZ"]);
    expect(symbols({}, { by: "volume", descending: false })).toEqual(["USDTTRY", "ETHUSDT", "BTCUSDT", "ETHBTC", "BTCXYZ"]);
  });

  it("sorts numbers as numbers, and names as names", () => {
    expect(symbols({}, firstSort("change"))).toEqual(["USDTTRY", "ETHUSDT", "ETHBTC", "BTCUSDT", "BTCXYZ"]);
    expect(symbols({}, firstSort("symbol"))).toEqual(["BTCUSDT", "BTCXYZ", "ETHBTC", "ETHUSDT", "USDTTRY"]);
    expect(symbols({}, { by: "symbol", descending: true })[0]).toBe("USDTTRY");
  });

  it("breaks ties by name, whichever way it sorts", () => {
    const flat = boardOf(market("B", "B", "USDT"), market("A", "A", "USDT"), market("C", "C", "USDT"));
    for (const descending of [true, false]) {
      expect(ordered(flat, ALL, { by: "price", descending }).map(({ symbol }) => symbol)).toEqual(["A", "B", "C"]);
    }
  });

  it("keeps markets without a line last", () => {
    expect(symbols({}, firstSort("trend")).slice(0, 2)).toEqual(["BTCUSDT", "ETHUSDT"]);
    expect(symbols({}, { by: "trend", descending: false }).slice(0, 2)).toEqual(["ETHUSDT", "BTCUSDT"]);
    expect(trendOf({ sparkline: [2, 3] })).toBe(0.5);
    expect(trendOf({ sparkline: [] })).toBeNaN();
  });
});

describe("the filter", () => {
  it.each([["eth", ["ETHBTC", "ETHUSDT"]], ["eth/us", ["ETHUSDT"]], [" ETH - BTC ", ["ETHBTC"]], ["zzz", []]])(
    "finds %j",
    (query, found) => expect(symbols({ query }, firstSort("symbol"))).toEqual(found),
  );

  it("finds names in any script", () => {
    const other = boardOf(market("币安人生USDT", "币安人生", "USDT"), market("BTCUSDT", "BTC", "USDT"));
    expect(ordered(other, { ...ALL, query: "人生" }, firstSort("volume"))).toHaveLength(1);
  });

  it("keeps to a quote asset and to what is recorded", () => {
    expect(symbols({ quote: "BTC" })).toEqual(["ETHBTC"]);
    expect(symbols({ recorded: true })).toEqual(["BTCUSDT"]);
    expect(symbols({ recorded: true, quote: "BTC" })).toEqual([]);
  });
});

it("lists quote assets by how many markets they have, then by name", () => {
  expect(quoteAssets(board)).toEqual(["USDT", "BTC", "TRY", "XYZ"]);
});

it("knows an asset's worth from either side of its market", () => {
  expect(worthOf("USDT", board)).toBe(1);
  expect(worthOf("BTC", board)).toBe(60_000);
  expect(worthOf("TRY", board)).toBe(1 / 40);
  expect(worthOf("XYZ", board)).toBeNaN();
});

describe("the board", () => {
  it("keeps a market's object, counts its changes and says which way it moved", () => {
    const own = boardOf(market("A", "A", "USDT", { price: "1.0" }));
    const row = own.get("A");
    expect(row?.moved).toBeNull();
    own.update([{ symbol: "A", price: "1.5" }], 10);
    expect(own.get("A")).toBe(row);
    expect(row).toMatchObject({ last: 1.5, moved: "up", movedAt: 10, rev: 2 });
    own.update([{ symbol: "A", price: "1.50", quoteVolume: "7" }], 20);
    expect(row).toMatchObject({ volume: 7, moved: "up", movedAt: 10, rev: 3 });
    own.update([{ symbol: "A", price: "1.4" }], 30);
    expect(row).toMatchObject({ moved: "down", movedAt: 30 });
  });

  it("leaves what an update does not name as it was", () => {
    const own = boardOf(market("A", "A", "USDT", { carried: true, sparkline: [1, 2], high: "9" }));
    own.update([{ symbol: "A", price: "2" }, { symbol: "NEW", price: "1" }], 1);
    expect(own.get("A")).toMatchObject({ carried: true, sparkline: [1, 2], high: "9" });
    expect(own.size).toBe(1);
  });

  it("forgets what a list no longer names", () => {
    const own = boardOf(market("A", "A", "USDT"), market("B", "B", "USDT"));
    const gone = own.get("A");
    own.replace([market("B", "B", "USDT")], 1);
    expect(gone && own.has(gone)).toBe(false);
    expect([...own.rows()].map(({ symbol }) => symbol)).toEqual(["B"]);
  });

  it("keeps a line that another list does not have", () => {
    const own = boardOf(market("A", "A", "USDT", { sparkline: [1, 2] }));
    own.replace([market("A", "A", "USDT", { price: "3", sparkline: null })], 1);
    expect(own.get("A")).toMatchObject({ last: 3, sparkline: [1, 2] });
    own.replace([market("A", "A", "USDT", { sparkline: [4, 5] })], 2);
    expect(own.get("A")?.sparkline).toEqual([4, 5]);
  });

  it("never shows fewer digits than before", () => {
    const own = boardOf(market("A", "A", "USDT", { price: "1.25000000", high: "1.5", low: "1" }));
    expect(own.get("A")?.digits).toBe(2);
    own.update([{ symbol: "A", price: "1.20000000" }], 1);
    expect(own.get("A")?.digits).toBe(2);
    own.update([{ symbol: "A", low: "1.1234" }], 1);
    expect(own.get("A")?.digits).toBe(4);
  });
});

it.each([["1", 0], ["1.", 0], ["1.10", 1], ["0.00001140", 7], ["61837.63000000", 2], ["100.000", 0], ["1000", 0]])(
  "counts the digits of %s that mean something",
  (text, digits) => expect(digitsOf(text)).toBe(digits),
);
