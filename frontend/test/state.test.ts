import { describe, expect, it } from "vitest";
import { isIncomplete } from "../src/chart/marks.ts";
import { hubUrl } from "../src/state/config.ts";
import { readHash, writeHash } from "../src/state/hash.ts";
import { neighbour } from "../src/state/intervals.ts";
import { next } from "../src/state/quotes.ts";
import { matching } from "../src/state/search.ts";
import { onTop, TAPE_LENGTH } from "../src/state/tape.ts";
import { bar } from "./make.ts";

const symbols = ["BTCUSDT", "ETHUSDT", "WBTCUSDT"].map((symbol) => ({
  symbol, base: symbol.slice(0, -4), quote: "USDT", priceScale: 2, sizeScale: 5,
}));
const names = symbols.map(({ symbol }) => symbol);

describe("the hash", () => {
  it("comes back as it was written", () => {
    const view = { symbol: "ETHUSDT", interval: "1M" };
    expect(readHash(writeHash(view), names, ["1m", "1M"])).toEqual(view);
  });

  it.each(["", "#", "#NOPE/7m", "#%E0%A4%A/1x"])("falls back from %s to the first symbol and one minute", (hash) => {
    expect(readHash(hash, names, ["1s", "1m"])).toEqual({ symbol: "BTCUSDT", interval: "1m" });
  });

  it("tells one minute from one month", () => {
    expect(readHash("#btcusdt/1M", names, ["1m", "1M"]).interval).toBe("1M");
  });
});

describe("where the hub is", () => {
  it("is the page's own host on the hub's port, safe where the page is", () => {
    expect(hubUrl("", 8001, { protocol: "https:", hostname: "desk" })).toBe("wss://desk:8001/api/v1/ws/app");
    expect(hubUrl("", 9001, { protocol: "http:", hostname: "::1" })).toContain("ws://");
  });

  it("is the configured address when there is one", () => {
    expect(hubUrl("wss://hub.example/", 1, { protocol: "http:", hostname: "x" })).toBe("wss://hub.example/api/v1/ws/app");
  });
});

describe("quotes", () => {
  const quote = (price: string) => ({ symbol: "B", originalPrice: price, bidPrice: price, askPrice: price, timestamp: 1 });

  it("remember which way the price last moved", () => {
    const directions: string[] = [];
    let live = null;
    for (const price of ["5", "6", "6", "4", "4.0"]) {
      live = next(live, quote(price));
      directions.push(live.direction);
    }
    expect(directions).toEqual(["flat", "up", "up", "down", "down"]);
  });
});

describe("the tape", () => {
  const trade = (id: number) => ({ id, price: "1", size: "1", side: "buy" as const, time: id });

  it("is newest first, without doubles, and bounded", () => {
    const tape = onTop(onTop([], [trade(1), trade(2)]), [trade(2), trade(3)]);
    expect(tape.map(({ id }) => id)).toEqual([3, 2, 1]);
    const many = onTop(tape, Array.from({ length: 500 }, (_, index) => trade(index + 10)));
    expect(many).toHaveLength(TAPE_LENGTH);
    expect(many[0]?.id).toBe(509);
  });

  it("stays the same object when nothing is new, so that nothing is drawn", () => {
    const tape = onTop([], [trade(1)]);
    expect(onTop(tape, [trade(1)])).toBe(tape);
  });
});

describe("incomplete candles", () => {
  it("are marked once their bucket has been over for a while, not before", () => {
    const open = bar(60, { complete: false });
    expect(isIncomplete(open, "1m", 119)).toBe(false);
    expect(isIncomplete(open, "1m", 125)).toBe(false);
    expect(isIncomplete(open, "1m", 130)).toBe(true);
    expect(isIncomplete(bar(60), "1m", 1e9)).toBe(false);
  });
});

describe("choosing", () => {
  it("finds what starts with the letters before what contains them, with or without a slash", () => {
    expect(matching(symbols, "btc").map(({ symbol }) => symbol)).toEqual(["BTCUSDT", "WBTCUSDT"]);
    expect(matching(symbols, "btc/usdt")[0]?.symbol).toBe("BTCUSDT");
    expect(matching(symbols, " ")).toHaveLength(3);
    expect(matching(symbols, "!")).toHaveLength(0);
  });

  it("steps through timeframes and holds at the ends", () => {
    expect(neighbour(["1s", "1m", "1h"], "1m", 1)).toBe("1h");
    expect(neighbour(["1s", "1m", "1h"], "1h", 1)).toBe("1h");
    expect(neighbour(["1s", "1m", "1h"], "1s", -1)).toBe("1s");
  });
});
