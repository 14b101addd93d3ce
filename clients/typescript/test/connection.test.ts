import { describe, expect, it } from "vitest";
import { Connection, type ConnectionOptions } from "../src/connection.ts";
import { FakeClock, FakeHub, candle, quote } from "./fakes.ts";

function start(options: ConnectionOptions = {}) {
  const clock = new FakeClock();
  const hub = new FakeHub();
  const connection = new Connection("ws://hub", { clock, openSocket: hub.openSocket, ...options });
  const states: string[] = [];
  connection.watch(({ state }) => {
    if (states.at(-1) !== state) states.push(state);
  });
  return { clock, hub, connection, states };
}

function listen(connection: Connection, channel: `price:${string}` = "price:BTCUSDT") {
  const heard: string[] = [];
  const stop = connection.subscribe(
    channel,
    (snapshot) => heard.push(`snapshot ${snapshot?.originalPrice ?? "nothing"}`),
    (change) => heard.push(`change ${change.originalPrice}`),
    (error) => heard.push(`error ${error.code}`),
  );
  return { heard, stop };
}

const update = (price: string, channel = "price:BTCUSDT") => ({ type: "price_update", channel, data: quote(price) });

describe("state", () => {
  it("goes from connecting to live when the socket opens", () => {
    const { hub, states } = start();
    hub.last.accept();
    expect(states).toEqual(["connecting", "live"]);
  });

  it("is stale after the subscribed channels were silent, and live again with the next change", () => {
    const { clock, hub, connection, states } = start({ staleAfter: 15_000 });
    hub.last.accept();
    listen(connection);
    hub.last.answers("price:BTCUSDT", quote("1"));
    const heardAt = clock.now();
    clock.advance(15_000);
    expect(connection.status).toMatchObject({ state: "stale", lastDataAt: heardAt });
    hub.last.says(update("2"));
    expect(states).toEqual(["connecting", "live", "stale", "live"]);
  });

  it("does not call a connection stale that nobody subscribed anything on", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    clock.advance(20_000);
    expect(connection.status.state).toBe("live");
  });

  it("is not freshened by pongs: they carry no data", () => {
    const { clock, hub, connection } = start({ staleAfter: 15_000 });
    hub.last.accept();
    listen(connection);
    hub.last.answers("price:BTCUSDT", null);
    clock.advance(10_000);
    hub.last.says({ type: "pong" });
    clock.advance(5_000);
    expect(connection.status.state).toBe("stale");
  });

  it("is closed for good by close(), and tells the socket", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    connection.close();
    clock.advance(120_000);
    expect(hub.last.closedWith).toBe(1000);
    expect(hub.sockets).toHaveLength(1);
    expect(connection.status.state).toBe("closed");
  });

  it("ends as closed when the address is not one", () => {
    const { connection } = start({ openSocket: () => { throw new SyntaxError("no address"); } });
    expect(connection.status).toMatchObject({ state: "closed", close: { reason: "no address" } });
  });
});

describe("reconnecting", () => {
  it("waits for a random part of 3 s, 6 s, 12 s, 24 s, then never more than 30 s", () => {
    const { clock, hub, connection } = start();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 6; attempt++) {
      hub.last.dies();
      const wait = (connection.status.retryAt ?? 0) - clock.now();
      waits.push(wait);
      clock.advance(wait);
    }
    expect(waits).toEqual([1_500, 3_000, 6_000, 12_000, 15_000, 15_000]);
  });

  it("starts the backoff anew after a connection that held", () => {
    const { clock, hub, connection } = start();
    hub.last.dies();
    clock.advance(1_500);
    hub.last.accept();
    clock.advance(5_000);
    hub.last.dies();
    expect(connection.status).toMatchObject({ state: "reconnecting", attempts: 1, retryAt: clock.now() + 1_500 });
  });

  it("keeps backing off from a hub that accepts and hangs up at once", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    hub.last.dies(3001);
    clock.advance(1_500);
    hub.last.accept();
    hub.last.dies(3001);
    expect(connection.status.retryAt).toBe(clock.now() + 3_000);
  });

  it.each([3001, 3008, 3012, 1006, 1001])("comes back after close code %i", (code) => {
    const { clock, hub } = start();
    hub.last.accept();
    hub.last.dies(code);
    clock.advance(3_000);
    expect(hub.sockets).toHaveLength(2);
  });

  it.each([3500, 3501, 3503, 3505, 4500])("does not come back after close code %i", (code) => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    hub.last.dies(code, "go away");
    clock.advance(600_000);
    expect(hub.sockets).toHaveLength(1);
    expect(connection.status).toMatchObject({ state: "closed", close: { code, reason: "go away" } });
  });

  it("tries at once when told to, and drops the planned attempt", () => {
    const { clock, hub, connection } = start();
    hub.last.dies();
    connection.retryNow();
    clock.advance(3_000);
    expect(hub.sockets).toHaveLength(2);
  });

  it("gives up an attempt that hangs", () => {
    const { clock, hub, connection } = start();
    clock.advance(10_000);
    expect(connection.status.state).toBe("reconnecting");
    clock.advance(1_500);
    expect(hub.sockets).toHaveLength(2);
  });
});

describe("ping", () => {
  it("pings every 25 s for as long as the hub answers", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    for (let round = 0; round < 3; round++) {
      clock.advance(25_000);
      hub.last.says({ type: "pong" });
    }
    expect(hub.last.types()).toEqual(["ping", "ping", "ping"]);
    expect(connection.status.state).toBe("live");
  });

  it("drops a hub that says nothing within 10 s of a ping", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    clock.advance(34_999);
    expect(connection.status.state).toBe("live");
    clock.advance(1);
    expect(connection.status).toMatchObject({ state: "reconnecting", close: { code: 3012 } });
    expect(hub.last.closedWith).toBe(3012);
  });

  it("hears nothing more from a socket it has dropped", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    const old = hub.last;
    clock.advance(35_000);
    const before = connection.status;
    old.says(update("1"));
    old.dies(3501);
    expect(connection.status).toBe(before);
  });
});

describe("channels", () => {
  it("gives a snapshot first, then changes", () => {
    const { hub, connection } = start();
    hub.last.accept();
    const { heard } = listen(connection);
    hub.last.says(update("0"));
    hub.last.answers("price:BTCUSDT", quote("1"));
    hub.last.says(update("2"));
    expect(heard).toEqual(["snapshot 1", "change 2"]);
  });

  it("subscribes once the socket is open when asked earlier", () => {
    const { hub, connection } = start();
    listen(connection);
    expect(hub.last.types()).toEqual([]);
    hub.last.accept();
    expect(hub.last.types()).toEqual(["subscribe price:BTCUSDT"]);
  });

  it("subscribes anew after a reconnect, with a fresh snapshot", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    const { heard } = listen(connection);
    hub.last.answers("price:BTCUSDT", quote("1"));
    hub.last.dies();
    clock.advance(3_000);
    hub.last.accept();
    hub.last.says(update("9"));
    hub.last.answers("price:BTCUSDT", quote("5"));
    hub.last.says(update("6"));
    expect(heard).toEqual(["snapshot 1", "snapshot 5", "change 6"]);
  });

  it("gives a second listener its own snapshot and leaves the first alone", () => {
    const { hub, connection } = start();
    hub.last.accept();
    const first = listen(connection);
    hub.last.answers("price:BTCUSDT", quote("1"));
    const second = listen(connection);
    hub.last.says(update("2"));
    hub.last.answers("price:BTCUSDT", quote("2"));
    hub.last.says(update("3"));
    expect(first.heard).toEqual(["snapshot 1", "change 2", "change 3"]);
    expect(second.heard).toEqual(["snapshot 2", "change 3"]);
  });

  it("unsubscribes when the last listener is gone, and only then", () => {
    const { hub, connection } = start();
    hub.last.accept();
    const first = listen(connection);
    const second = listen(connection);
    first.stop();
    first.stop();
    expect(hub.last.types()).not.toContain("unsubscribe price:BTCUSDT");
    second.stop();
    expect(hub.last.types().at(-1)).toBe("unsubscribe price:BTCUSDT");
  });

  it("ignores the answer to a subscription that was dropped and made again", () => {
    const { hub, connection } = start();
    hub.last.accept();
    listen(connection).stop();
    const { heard } = listen(connection);
    const ids = hub.last.sent.filter(({ type }) => type === "subscribe").map(({ id }) => id);
    hub.last.says({ type: "subscribed", channel: "price:BTCUSDT", id: ids[0], data: quote("old") });
    hub.last.says({ type: "subscribed", channel: "price:BTCUSDT", id: ids[0], data: quote("1") });
    hub.last.says({ type: "subscribed", channel: "price:BTCUSDT", id: ids[1], data: quote("2") });
    expect(heard).toEqual(["snapshot 2"]);
  });

  it("tells a listener that its channel was refused", () => {
    const { hub, connection } = start();
    hub.last.accept();
    const { heard } = listen(connection, "price:NOPE");
    const id = hub.last.sent[0]?.id;
    hub.last.says({ type: "error", code: "unknown_symbol", message: "no", channel: "price:NOPE", id });
    expect(heard).toEqual(["error unknown_symbol"]);
  });

  it("asks again in 5 s for a channel that is unavailable", () => {
    const { clock, hub, connection } = start();
    hub.last.accept();
    const { heard } = listen(connection);
    const id = hub.last.sent[0]?.id;
    hub.last.says({ type: "error", code: "unavailable", message: "later", channel: "price:BTCUSDT", id });
    clock.advance(5_000);
    hub.last.answers("price:BTCUSDT", quote("1"));
    expect(heard).toEqual(["error unavailable", "snapshot 1"]);
  });
});

describe("robustness", () => {
  it.each([
    "", "{", "null", "[]", "7", '"x"', "{}", '{"type":7}', '{"type":"subscribed"}', '{"type":"error"}',
    '{"type":"price_update","channel":"price:BTCUSDT"}',
    '{"type":"price_update","channel":"price:BTCUSDT","data":{"originalPrice":"x"}}',
    '{"type":"subscribed","channel":"candle:BTCUSDT:1m","data":{"candles":[{"time":"x"}]}}',
    '{"type":"trade_update","channel":"trade:BTCUSDT","data":{"trades":[null]}}',
  ])("survives %s and reports it", (text) => {
    const malformed: unknown[] = [];
    const { hub, connection } = start({ onMalformed: (bad) => malformed.push(bad) });
    hub.last.accept();
    const { heard } = listen(connection);
    hub.last.says(text);
    hub.last.answers("price:BTCUSDT", quote("1"));
    expect(malformed).toEqual([text]);
    expect(heard).toEqual(["snapshot 1"]);
  });

  it("ignores message types of the future", () => {
    const malformed: unknown[] = [];
    const { hub } = start({ onMalformed: (bad) => malformed.push(bad) });
    hub.last.accept();
    hub.last.says({ type: "weather", data: "sunny" });
    expect(malformed).toEqual([]);
  });

  it("keeps serving the others when one listener throws", async () => {
    const reported: unknown[] = [];
    Object.assign(globalThis, { reportError: (error: unknown) => reported.push(error) });
    const { hub, connection } = start();
    hub.last.accept();
    connection.subscribe("candle:BTCUSDT:1m", () => { throw new Error("mine"); }, () => {});
    const times: number[] = [];
    connection.subscribe("candle:BTCUSDT:1m", ({ candles }) => times.push(...candles.map(({ time }) => time)), () => {});
    hub.last.answers("candle:BTCUSDT:1m", { candles: [candle(60), candle(120)] });
    expect(times).toEqual([60, 120]);
    expect(reported).toHaveLength(1);
  });
});
