import { describe, expect, it } from "vitest";
import { ApiKey } from "../src/credentials.ts";
import { ApiError, getCandles, getMarkets } from "../src/rest.ts";

const query = { asset: "BTCUSDT", duration: "1m", start: 1_767_225_600, end: 1_767_229_200 };
const row = { time: 1_767_225_600, open: 1, high: 2, low: 1, close: 2, volume: 3, trades: 4, quoteVolume: 5, complete: true };
const page = { asset: "BTCUSDT", duration: "1m", startTime: "", endTime: "", candles: [row] };

function answering(body: unknown, status = 200): typeof fetch {
  return async () => new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("getCandles", () => {
  it("asks for ISO times and answers the page", async () => {
    const urls: string[] = [];
    const spy: typeof fetch = async (url) => {
      urls.push(String(url));
      return new Response(JSON.stringify(page));
    };
    expect((await getCandles("http://h", query, { fetch: spy })).candles).toEqual([row]);
    const url = new URL(urls[0] ?? "");
    expect(url.pathname).toBe("/candles");
    expect(Object.fromEntries(url.searchParams)).toEqual({
      asset: "BTCUSDT", duration: "1m",
      startTime: "2026-01-01T00:00:00.000Z", endTime: "2026-01-01T01:00:00.000Z",
    });
  });

  it("asks as whoever it is told to, where market data is for users", async () => {
    const asked: [string, string | null][] = [];
    const spy: typeof fetch = async (url, init) => {
      asked.push([new URL(String(url)).pathname, new Headers(init?.headers).get("x-api-key")]);
      const list = { source: "none", age: null, stale: true, markets: [] };
      return new Response(JSON.stringify(String(url).includes("markets") ? list : page));
    };
    const credentials = new ApiKey("http://h", "ok_a_b");
    await getCandles("http://other", query, { fetch: spy, credentials });
    await getMarkets("", { fetch: spy, credentials });
    await getCandles("http://h", query, { fetch: spy });
    expect(asked).toEqual([["/candles", "ok_a_b"], ["/api/v1/markets", "ok_a_b"], ["/candles", null]]);
  });

  it("throws the server's own words for an error", async () => {
    const body = { success: false, message: "There is no asset NOPE; assets are BTC, ETH." };
    const error = await failure(getCandles("", query, { fetch: answering(body, 400) }));
    expect(error).toMatchObject({ kind: "http", status: 400, message: body.message, retryable: false });
  });

  it.each([429, 500, 503])("calls status %i worth another try, even without a JSON body", async (status) => {
    const error = await failure(getCandles("", query, { fetch: answering("<h1>oh</h1>", status) }));
    expect(error).toMatchObject({ kind: "http", status, retryable: true });
  });

  it.each(["<html>", "[]", '{"candles":[{"time":"x"}]}'])("calls the answer %s malformed", async (body) => {
    expect((await failure(getCandles("", query, { fetch: answering(body) }))).kind).toBe("malformed");
  });

  it("tells a network failure from being given up and from taking too long", async () => {
    const broken: typeof fetch = async () => { throw new TypeError("fetch failed"); };
    expect(await failure(getCandles("", query, { fetch: broken }))).toMatchObject({ kind: "network", retryable: true });

    const hanging: typeof fetch = (_, init) =>
      new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    const abort = new AbortController();
    const given = failure(getCandles("", query, { fetch: hanging, signal: abort.signal }));
    abort.abort();
    expect((await given).kind).toBe("aborted");
    expect((await failure(getCandles("", query, { fetch: hanging, within: 5 }))).kind).toBe("timeout");
  });
});
