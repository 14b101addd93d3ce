import { describe, expect, it } from "vitest";
import { connect } from "../src/shared.ts";
import type { MarketList, TickerUpdate } from "../src/markets.ts";
import { ApiError, getMarkets } from "../src/rest.ts";
import { FakeClock, FakeHub } from "./fakes.ts";

const market = {
  symbol: "BTCUSDT", base: "BTC", quote: "USDT", price: "61837.63", change: "10", changePercent: "0.02",
  high: "62000", low: "61000", volume: "12", quoteVolume: "742000", carried: true, sparkline: null,
};
const list: MarketList = { source: "stream", age: 0.4, stale: false, markets: [market] };

function answering(body: unknown): typeof fetch {
  return async () => new Response(JSON.stringify(body));
}

describe("getMarkets", () => {
  it("answers the list", async () => {
    expect(await getMarkets("http://h", { fetch: answering(list) })).toEqual(list);
  });

  it.each([
    {}, [], { markets: 1 }, { markets: [{ ...market, price: 1 }] }, { markets: [{ ...market, high: "much" }] },
    { markets: [{ symbol: "BTCUSDT", price: "1" }] },
  ])("calls %j malformed", async (body) => {
    const error = await getMarkets("", { fetch: answering(body) }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).kind).toBe("malformed");
  });
});

function follow() {
  const hub = new FakeHub();
  const clock = new FakeClock();
  const malformed: unknown[] = [];
  const options = { clock, openSocket: hub.openSocket, onMalformed: (text: unknown) => void malformed.push(text) };
  const { connection, release } = connect("ws://tickers", options);
  const lists: (MarketList | null)[] = [];
  const updates: (readonly TickerUpdate[])[] = [];
  const stop = connection.subscribe("tickers", (all) => void lists.push(all), (some) => void updates.push(some));
  hub.last.accept();
  return { hub, clock, connection, release, stop, lists, updates, malformed };
}

describe("the channel of tickers", () => {
  it("gives the whole list, then what changed", () => {
    const { hub, lists, updates, release } = follow();
    hub.last.answers("tickers", list);
    hub.last.says({ type: "tickers_update", channel: "tickers", data: [{ symbol: "BTCUSDT", price: "61838" }] });
    expect(lists).toEqual([list]);
    expect(updates).toEqual([[{ symbol: "BTCUSDT", price: "61838" }]]);
    release();
  });

  it("may have no list yet", () => {
    const { hub, lists, release } = follow();
    hub.last.answers("tickers", null);
    expect(lists).toEqual([null]);
    release();
  });

  it("ignores what is not the protocol", () => {
    const { hub, updates, malformed, release } = follow();
    hub.last.answers("tickers", list);
    hub.last.says({ type: "tickers_update", channel: "tickers", data: [{ symbol: "BTCUSDT", price: 1 }] });
    hub.last.says({ type: "tickers_update", channel: "tickers", data: null });
    expect(updates).toEqual([]);
    expect(malformed).toHaveLength(2);
    release();
  });

  it("is no longer stale once nobody follows anything", () => {
    const { clock, hub, connection, stop, release } = follow();
    hub.last.answers("tickers", list);
    clock.advance(16_000);
    expect(connection.status.state).toBe("stale");
    stop();
    expect(connection.status.state).toBe("live");
    release();
  });
});
