import { expect, it } from "vitest";
import { whileDown } from "../src/fallback.ts";
import { connect } from "../src/shared.ts";
import { FakeClock, FakeHub } from "./fakes.ts";

it("opens one socket per URL, and closes it with the last lease", () => {
  const hub = new FakeHub();
  const options = { clock: new FakeClock(), openSocket: hub.openSocket };
  const first = connect("ws://one", options);
  const second = connect("ws://one", options);
  const other = connect("ws://two", options);
  expect(first.connection).toBe(second.connection);
  expect(hub.sockets).toHaveLength(2);
  first.release();
  first.release();
  expect(second.connection.status.state).toBe("connecting");
  second.release();
  expect(second.connection.status.state).toBe("closed");
  other.release();
});

it("opens a new connection after the old one ended", () => {
  const hub = new FakeHub();
  const options = { clock: new FakeClock(), openSocket: hub.openSocket };
  const first = connect("ws://one", options);
  hub.last.accept();
  hub.last.dies(3503);
  const second = connect("ws://one", options);
  expect(second.connection).not.toBe(first.connection);
  first.release();
  expect(connect("ws://one", options).connection).toBe(second.connection);
});

it("refetches every 60 s while the hub is gone, and not otherwise", () => {
  const clock = new FakeClock();
  const hub = new FakeHub();
  const { connection } = connect("ws://three", { clock, openSocket: hub.openSocket, staleAfter: 1e9 });
  let calls = 0;
  const stop = whileDown(connection, () => void calls++, { clock });
  clock.chance = 1;
  hub.last.accept();
  hub.last.dies();
  clock.advance(60_000);
  expect(calls).toBe(1);
  clock.advance(60_000);
  expect(calls).toBe(2);
  connection.retryNow();
  hub.last.accept();
  clock.advance(20_000);
  hub.last.says({ type: "pong" });
  clock.advance(10_000);
  hub.last.says({ type: "pong" });
  expect(connection.status.state).toBe("live");
  clock.advance(25_000);
  hub.last.says({ type: "pong" });
  clock.advance(10_000);
  expect(calls).toBe(2);
  stop();
});
