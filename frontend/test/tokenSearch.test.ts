import { ApiError, type Connection, type Token, type TokensFound } from "@openoutcry/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TokenFeed } from "../src/state/tokenFeed.ts";
import { matches } from "../src/state/tokenOrder.ts";
import { TokenRanking } from "../src/state/tokenRanking.ts";
import { TokenSearch } from "../src/state/tokenSearch.ts";
import { token } from "./make.ts";

const T = Date.UTC(2026, 10, 22, 9);

beforeEach(() => {
  vi.useFakeTimers({ now: T, toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.stubGlobal("document", { hidden: false });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = async (ms: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));

/** A server whose answers the test gives, in any order. */
class Server {
  readonly asked: { readonly query: string; answer(tokens: readonly Token[]): void; fail(): void; readonly signal: AbortSignal | undefined }[] = [];

  readonly api = {
    search: (query: string, options: { readonly limit?: number; readonly signal?: AbortSignal } = {}) =>
      new Promise<TokensFound>((resolve, reject) => {
        this.asked.push({
          query,
          answer: (tokens) => resolve({ query, block: 1, asOf: 1, tokens }),
          fail: () => reject(new ApiError("http", "Not now.", 503)),
          signal: options.signal,
        });
      }),
  };

  get questions(): string[] {
    return this.asked.map(({ query }) => query);
  }
}

/** A search into a list that keeps what is added to it. */
function searching() {
  const server = new Server();
  const list = { tokens: [] as readonly Token[], drops: 0 };
  let found = 0;
  const feed = {
    adding: () => (tokens: readonly Token[]) => void (list.tokens = tokens),
    drop: () => {
      list.tokens = [];
      list.drops += 1;
    },
  };
  const search = new TokenSearch(server.api, feed, () => void (found += 1));
  return { server, list, search, addresses: () => list.tokens.map(({ address }) => address), found: () => found };
}

describe("the search among all tokens", () => {
  it("asks once the typing pauses, for what was typed last", async () => {
    const { server, search, addresses, found } = searching();
    for (const typed of ["o", "ot", "ott"]) {
      search.want(typed);
      await pass(150);
    }
    expect(server.questions).toEqual([]);
    expect(search.state.value.kind).toBe("asking");
    await pass(50);
    expect(server.questions).toEqual(["ott"]);
    server.asked[0]?.answer([token("0xaa")]);
    await pass(0);
    expect(search.state.value).toEqual({ kind: "found", more: false });
    expect([addresses(), found()]).toEqual([["0xaa"], 1]);
    search.stop();
  });

  it("drops the answer to a question that is not the newest", async () => {
    const { server, search, addresses } = searching();
    search.want("a");
    await pass(200);
    search.want("ab");
    expect(server.asked[0]?.signal?.aborted).toBe(true);
    await pass(200);
    server.asked[1]?.answer([token("0xbb")]);
    await pass(0);
    server.asked[0]?.answer([token("0xaa")]);
    await pass(0);
    expect(addresses()).toEqual(["0xbb"]);
    // The same question again is no new one.
    search.want(" ab ");
    await pass(1_000);
    expect(server.questions).toEqual(["a", "ab"]);
    search.stop();
  });

  it("forgets what was found when nothing is searched for, and an answer that comes later", async () => {
    const { server, search, list, addresses } = searching();
    search.want("a");
    await pass(200);
    search.want("");
    server.asked[0]?.answer([token("0xaa")]);
    await pass(60_000);
    expect([addresses(), list.drops, search.state.value.kind]).toEqual([[], 1, "idle"]);
    expect(server.asked).toHaveLength(1);
    search.stop();
  });

  it("keeps what was found before while it asks for more", async () => {
    const { server, search, addresses } = searching();
    search.want("a");
    await pass(200);
    server.asked[0]?.answer([token("0xaa")]);
    await pass(0);
    search.want("ab");
    expect([addresses(), search.state.value.kind]).toEqual([["0xaa"], "asking"]);
    search.stop();
  });

  it("says what went wrong, and asks again when it is told to, or after a while", async () => {
    const { server, search, addresses, found } = searching();
    search.want("a");
    await pass(200);
    server.asked[0]?.fail();
    await pass(0);
    expect(search.state.value).toEqual({ kind: "failed", message: "Not now." });
    search.retry();
    search.retry();
    expect([search.state.value.kind, server.asked.length]).toEqual(["asking", 2]);
    server.asked[1]?.fail();
    await pass(30_000);
    expect([search.state.value.kind, server.asked.length]).toEqual(["failed", 3]);
    server.asked[2]?.answer([token("0xaa")]);
    await pass(0);
    expect([addresses(), found(), search.state.value.kind]).toEqual([["0xaa"], 1, "found"]);
    search.stop();
  });

  it("asks again for what is still on the screen, quietly, and not while nobody looks", async () => {
    const { server, search, addresses, found } = searching();
    search.want("a");
    await pass(200);
    server.asked[0]?.answer([token("0xaa")]);
    await pass(30_000);
    expect([server.asked.length, search.state.value.kind]).toEqual([2, "found"]);
    server.asked[1]?.fail();
    await pass(30_000);
    expect([server.asked.length, search.state.value.kind, addresses()]).toEqual([3, "found", ["0xaa"]]);
    server.asked[2]?.answer([token("0xaa"), token("0xab")]);
    vi.stubGlobal("document", { hidden: true });
    await pass(90_000);
    expect([server.asked.length, addresses(), found()]).toEqual([3, ["0xaa", "0xab"], 1]);
    vi.stubGlobal("document", { hidden: false });
    await pass(30_000);
    expect(server.asked).toHaveLength(4);
    search.stop();
    await pass(90_000);
    expect(server.asked).toHaveLength(4);
  });

  it("tells that there are more than it can have", async () => {
    const { server, search } = searching();
    search.want("a");
    await pass(200);
    server.asked[0]?.answer(Array.from({ length: 50 }, (_, index) => token(`0x${index}`)));
    await pass(0);
    expect(search.state.value).toEqual({ kind: "found", more: true });
    search.stop();
  });

  it.each([["$ott", ["ott"]], ["$", ["$"]], ["  ", []], ["x".repeat(64), ["x".repeat(64)]], ["x".repeat(65), []], ["🦦".repeat(64), ["🦦".repeat(64)]], ["a\u0000b", []]])(
    "of %j asks for %j", async (typed, questions) => {
      const { server, search } = searching();
      search.want(typed);
      await pass(1_000);
      expect(server.questions).toEqual(questions);
      search.stop();
    },
  );
});

describe("the list that is searched", () => {
  const many = Array.from({ length: 500 }, (_, index) => token(`0x${index}`, { name: `Token ${index}` }));
  const connection = { subscribe: () => () => {} } as unknown as Connection;

  function listing(lists: Record<string, readonly Token[]>) {
    const server = new Server();
    const top = async (window = "24h") => ({ window, block: 1, asOf: 1, tokens: lists[window] ?? [] }) as never;
    const feed = new TokenFeed(connection, { top }, "24h");
    const ranking = new TokenRanking(feed.tokens);
    const search = new TokenSearch(server.api, feed, () => ranking.again());
    const stop = (): void => [search, ranking, feed].forEach((each) => each.stop());
    return { server, feed, ranking, search, stop };
  }

  it.each([["24h", true], ["new", true], ["neither", false]])("is cut where %s is as long as a list can be", async (name, cut) => {
    const { feed, stop } = listing({ "24h": [token("0xaa")], new: [token("0xbb")], [name]: many });
    expect(feed.isCut.value).toBe(false);
    await pass(0);
    expect(feed.isCut.value).toBe(cut);
    stop();
  });

  it("has what was found at once, in its place, and loses it with the question", async () => {
    const { server, feed, ranking, search, stop } = listing({ "24h": [token("0xaa", { name: "Ottoman", volume24h: "1" })], new: many });
    await pass(0);
    ranking.show("ott", "volume24h", true);
    search.want("ott");
    await pass(200);
    server.asked[0]?.answer([token("0xbb", { name: "Otter", volume24h: "5" }), token("0xaa", { name: "Ottoman", volume24h: "3" })]);
    await pass(0);
    expect(ranking.rows.value.map(({ address, volume24h }) => `${address} ${volume24h}`)).toEqual(["0xbb 5", "0xaa 3"]);
    search.want("");
    ranking.show("", "volume24h", true);
    expect(feed.tokens.value).toHaveLength(501);
    expect(feed.tokens.value.some(({ address }) => address === "0xbb")).toBe(false);
    stop();
  });

  it("does not let an older answer undo what was told since", async () => {
    const { server, feed, search, stop } = listing({ "24h": [], new: many });
    await pass(0);
    search.want("token 7");
    await pass(200);
    many[7] = token("0x7", { name: "Token 7", volume24h: "9" });
    await feed.load();
    server.asked[0]?.answer([token("0x7", { name: "Token 7", volume24h: "8" })]);
    await pass(0);
    expect(feed.tokens.value.find(({ address }) => address === "0x7")?.volume24h).toBe("9");
    stop();
  });
});

describe("what is searched for", () => {
  it.each([["0xPro", true], ["0xdead", true], ["0xbeef", true], ["0xfeed", false]])("%j may be an address or a name", (query, found) => {
    expect(matches(token("0xbeef01", { name: "0xProtocol", symbol: "ZRX", creator: "0xdead" }), query)).toBe(found);
  });
});
