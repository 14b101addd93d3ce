import { describe, expect, it } from "vitest";
import { Connection } from "../src/connection.ts";
import type { AccessToken } from "../src/credentials.ts";
import { ApiError } from "../src/rest.ts";
import { FakeClock, FakeHub } from "./fakes.ts";
import { bot, message, snapshot } from "./make.ts";
import type { UserMessage } from "../src/trading/types.ts";

/** Enough turns for a token to be fetched and sent. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};

function start(token: (refused?: string) => Promise<AccessToken | null> = async () => ({ token: "t1", until: Infinity })) {
  const clock = new FakeClock();
  const hub = new FakeHub();
  const connection = new Connection("ws://hub", { clock, openSocket: hub.openSocket });
  const heard: string[] = [];
  const stop = connection.subscribe(
    "user",
    (state) => heard.push(`snapshot of ${state.bots.length}`),
    (change) => heard.push(`${change.type} ${change.offset}`),
    (error) => heard.push(`error ${error.code}`),
  );
  return { clock, hub, connection, heard, stop, credentials: { token } };
}

/** What the hub was sent, without ids and pings. */
const asked = (hub: FakeHub) => hub.last.sent.filter(({ type }) => type !== "ping").map(({ id: _, ...rest }) => rest);

const accept = (hub: FakeHub): void => {
  const auth = hub.last.sent.filter(({ type }) => type === "auth").at(-1);
  hub.last.says({ type: "authenticated", id: auth?.id });
};

const subscribed = (hub: FakeHub, change: object): void => {
  const subscribe = hub.last.sent.filter(({ type, channel }) => type === "subscribe" && channel === "user").at(-1);
  hub.last.says({ type: "subscribed", channel: "user", id: subscribe?.id, ...change });
};

async function live() {
  const all = start();
  all.connection.identify(all.credentials);
  all.hub.last.accept();
  await settled();
  accept(all.hub);
  subscribed(all.hub, { recovered: false, data: snapshot({ bots: [bot(1)] }), offset: 40, epoch: "e" });
  return all;
}

const updated = (offset: number, epoch = "e"): UserMessage => message("bot_update", bot(1), offset, epoch);

describe("the channel of a user", () => {
  it("is asked for only after the hub has taken the token", async () => {
    const { hub, connection, credentials } = start();
    hub.last.accept();
    expect(asked(hub)).toEqual([]);
    connection.identify(credentials);
    await settled();
    expect(asked(hub)).toEqual([{ type: "auth", token: "t1" }]);
    accept(hub);
    expect(asked(hub).at(-1)).toEqual({ type: "subscribe", channel: "user" });
  });

  it("gives the snapshot, then what follows it in order", async () => {
    const { hub, heard, connection } = await live();
    hub.last.says(updated(41));
    hub.last.says(updated(42));
    expect(heard).toEqual(["snapshot of 1", "bot_update 41", "bot_update 42"]);
    expect(connection.positions[0]?.position).toEqual({ offset: 42, epoch: "e" });
  });

  it("leaves out what it had before", async () => {
    const { hub, heard } = await live();
    for (const offset of [41, 41, 40, 42]) hub.last.says(updated(offset));
    expect(heard.slice(1)).toEqual(["bot_update 41", "bot_update 42"]);
  });

  it("comes back with its last offset and misses nothing", async () => {
    const { clock, hub, heard, connection } = await live();
    hub.last.says(updated(41));
    hub.last.dies();
    clock.advance(3_000);
    hub.last.accept();
    await settled();
    accept(hub);
    expect(asked(hub).at(-1)).toEqual({ type: "subscribe", channel: "user", offset: 41, epoch: "e" });
    subscribed(hub, { recovered: true, offset: 41, epoch: "e" });
    for (const offset of [42, 43]) hub.last.says(updated(offset));
    expect(heard.slice(1)).toEqual(["bot_update 41", "bot_update 42", "bot_update 43"]);
    expect(connection.positions[0]).toMatchObject({ snapshots: 1, recoveries: 1, gaps: 0 });
  });

  it("takes the snapshot for everything when the hub has not kept what was missed", async () => {
    const { clock, hub, heard } = await live();
    hub.last.dies();
    clock.advance(3_000);
    hub.last.accept();
    await settled();
    accept(hub);
    subscribed(hub, { recovered: false, data: snapshot(), offset: 3, epoch: "new" });
    hub.last.says(updated(4, "new"));
    expect(heard).toEqual(["snapshot of 1", "snapshot of 0", "bot_update 4"]);
  });

  it("notices a hole, asks for it once, and hands nothing out of order", async () => {
    const { hub, heard, connection } = await live();
    hub.last.says(updated(43));
    hub.last.says(updated(44));
    expect(heard).toEqual(["snapshot of 1"]);
    expect(asked(hub).filter(({ type }) => type === "subscribe")).toHaveLength(2);
    expect(asked(hub).at(-1)).toMatchObject({ offset: 40, epoch: "e" });
    subscribed(hub, { recovered: true });
    for (const offset of [41, 42, 43, 44]) hub.last.says(updated(offset));
    expect(heard.slice(1)).toEqual([41, 42, 43, 44].map((offset) => `bot_update ${offset}`));
    expect(connection.positions[0]?.gaps).toBe(1);
  });

  it("asks for a snapshot when the epoch is another", async () => {
    const { hub, heard } = await live();
    hub.last.says(updated(41, "other"));
    expect(heard).toEqual(["snapshot of 1"]);
    expect(asked(hub).at(-1)).toEqual({ type: "subscribe", channel: "user" });
  });

  it("gives a second listener a snapshot without taking anything from the first", async () => {
    const { hub, heard, connection } = await live();
    const second: string[] = [];
    connection.subscribe("user", () => second.push("snapshot"), (change) => second.push(`${change.offset}`));
    hub.last.says(updated(41));
    subscribed(hub, { recovered: false, data: snapshot(), offset: 41, epoch: "e" });
    hub.last.says(updated(42));
    expect(second).toEqual(["snapshot", "42"]);
    expect(heard).toEqual(["snapshot of 1", "bot_update 41", "snapshot of 0", "bot_update 42"]);
  });

  it.each([
    { type: "bot_update", channel: "user", data: { id: 1 }, timestamp: "t", offset: 41, epoch: "e" },
    { type: "order_filled", channel: "user", data: { order: null, fill: null }, timestamp: "t", offset: 41, epoch: "e" },
    { type: "log_created", channel: "user", data: {}, timestamp: "t", offset: 41, epoch: "e" },
  ])("does not take $type with anything else in it", async (bad) => {
    const { hub, heard } = await live();
    hub.last.says(bad);
    expect(heard).toEqual(["snapshot of 1"]);
  });
});

describe("who is asking", () => {
  it("is told again before the token ends, on the same socket", async () => {
    let count = 0;
    const { clock, hub, connection, credentials } = start(async () => ({ token: `t${++count}`, until: 1_000_000 + count * 900_000 }));
    connection.identify(credentials);
    hub.last.accept();
    await settled();
    accept(hub);
    for (let ping = 0; ping < 36; ping++) {
      clock.advance(25_000);
      hub.last.says({ type: "pong" });
    }
    await settled();
    const tokens = () => asked(hub).flatMap((one) => ("token" in one ? [one.token] : []));
    expect(tokens()).toEqual(["t1", "t2"]);
    accept(hub);
    expect(asked(hub).filter(({ type }) => type === "subscribe")).toHaveLength(1);
    expect(hub.sockets).toHaveLength(1);
  });

  it("tries another token at once when the hub refuses one, and then goes on as nobody", async () => {
    const refused: (string | undefined)[] = [];
    const { clock, hub, connection, credentials, heard } = start(async (bad) => {
      refused.push(bad);
      return { token: `t${refused.length}`, until: Infinity };
    });
    connection.identify(credentials);
    for (const wait of [0, 3_000]) {
      hub.last.accept();
      await settled();
      const auth = hub.last.sent.filter(({ type }) => type === "auth").at(-1);
      hub.last.says({ type: "error", code: "unauthorized", message: "no", id: auth?.id });
      hub.last.dies(3500);
      clock.advance(wait);
    }
    hub.last.accept();
    await settled();
    expect(refused).toEqual([undefined, "t1"]);
    expect(heard).toEqual(["error unauthorized"]);
    expect(asked(hub)).toEqual([]);
    expect(connection.status.state).toBe("live");
  });

  it("comes back with another token when the hub ends a sign-in that it had taken", async () => {
    const refused: (string | undefined)[] = [];
    const { clock, hub, connection, credentials } = start(async (bad) => {
      refused.push(bad);
      return { token: `t${refused.length}`, until: Infinity };
    });
    connection.identify(credentials);
    hub.last.accept();
    await settled();
    accept(hub);
    hub.last.dies(3500);
    clock.advance(0);
    hub.last.accept();
    await settled();
    expect(refused).toEqual([undefined, "t1"]);
    expect(asked(hub)).toEqual([{ type: "auth", token: "t2" }]);
  });

  it("asks again for what a hub keeps for the signed-in, once it is", async () => {
    const { hub, connection, credentials } = start();
    hub.last.accept();
    connection.subscribe("price:BTCUSDT", () => {}, () => {});
    const price = hub.last.sent.at(-1);
    hub.last.says({ type: "error", code: "unauthorized", message: "Sign in.", channel: "price:BTCUSDT", id: price?.id });
    connection.identify(credentials);
    await settled();
    accept(hub);
    expect(asked(hub).filter(({ type }) => type === "subscribe").map(({ channel }) => channel)).toEqual(["price:BTCUSDT", "user", "price:BTCUSDT"]);
  });

  it("asks again later when the server cannot be asked for a token", async () => {
    let down = true;
    const { clock, hub, connection, credentials, heard } = start(async () => {
      if (down) throw new ApiError("network", "The server cannot be reached.");
      return { token: "t1", until: Infinity };
    });
    connection.identify(credentials);
    hub.last.accept();
    await settled();
    down = false;
    clock.advance(5_000);
    await settled();
    expect(asked(hub)).toEqual([{ type: "auth", token: "t1" }]);
    expect(heard).toEqual([]);
  });

  it("leaves nothing to whoever comes after: a new socket, a new snapshot", async () => {
    const { hub, connection, heard } = await live();
    connection.identify(null);
    expect(hub.sockets).toHaveLength(2);
    hub.last.accept();
    await settled();
    expect(asked(hub)).toEqual([]);
    connection.identify({ token: async () => ({ token: "t9", until: Infinity }) });
    await settled();
    accept(hub);
    expect(asked(hub)).toEqual([{ type: "auth", token: "t9" }, { type: "subscribe", channel: "user" }]);
    subscribed(hub, { recovered: false, data: snapshot(), offset: 1, epoch: "e" });
    expect(heard).toEqual(["snapshot of 1", "snapshot of 0"]);
  });
});

describe("figures", () => {
  it("count messages by channel, and take the difference of clocks out of the lag", async () => {
    const { clock, hub, connection } = await live();
    connection.probe();
    const ping = hub.last.sent.at(-1);
    clock.advance(20);
    // The hub is a minute ahead: it answers in the middle of the round trip.
    const theirs = clock.now() - 10 + 60_000;
    hub.last.says({ type: "pong", id: ping?.id, timestamp: new Date(theirs).toISOString() });
    clock.advance(980);
    hub.last.says({ ...updated(41), timestamp: new Date(clock.now() + 60_000 - 7).toISOString() });
    expect(connection.figures).toMatchObject({ roundTrip: 20, clockOffset: 60_000, lag: 7, worstLag: 7 });
    expect(connection.figures.byChannel.user).toBe(2);
  });
});
