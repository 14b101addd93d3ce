import { type Account, type TradingApi, type TradingFeed, type UserMessage } from "@openoutcry/client";
import { signal } from "@preact/signals";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { KillSwitch, pulledInWords } from "../src/state/killSwitch.ts";

/** A server whose switch can be turned, and an account's channel that can be made to speak. */
function desk() {
  const server = { on: false };
  const hearers: ((message: UserMessage) => void)[] = [];
  const said: string[] = [];
  const account = signal<Account | null>({ id: 1, name: "ada", role: "user" });
  const api = {
    portfolio: async () => ({ kill_switch: server.on }),
    setKillSwitch: async (on: boolean) => {
      server.on = on;
      return { on, bots_stopped: 2, orders_cancelled: 1 };
    },
  } as unknown as TradingApi;
  const feed = { hear: (hearer: (message: UserMessage) => void) => (hearers.push(hearer), () => void hearers.splice(0)), onRenewed: () => () => {} } as unknown as TradingFeed;
  const connection = { watch: () => () => {} };
  const logs = (message: string, bot_id: number | null = null): void =>
    hearers.forEach((hearer) => hearer({ type: "log_created", data: { id: 1, level: "WARNING", message, bot_id, timestamp: "" } } as unknown as UserMessage));
  return { server, said, account, logs, kill: new KillSwitch({ account }, { api, feed }, connection, (text) => said.push(text)) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("is known soon after somebody has signed in, and to nobody afterwards", async () => {
  const { kill, account } = desk();
  expect(kill.on.value).toBeNull();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kill.on.value).toBe(false);
  account.value = null;
  expect(kill.on.value).toBeNull();
});

it("that is pulled elsewhere is seen here, once, with the reason that the log gives", async () => {
  const { kill, server, said, logs } = desk();
  await vi.advanceTimersByTimeAsync(1_000);
  server.on = true;
  logs("of one bot", 7);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kill.on.value).toBe(false);
  logs("The kill switch is on: 2 bots stopped.");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kill.on.value).toBe(true);
  expect(said).toEqual(["The kill switch is on: 2 bots stopped."]);
});

it("that is pulled here is on at once, and the log's word for it is not repeated", async () => {
  const { kill, said, logs } = desk();
  await vi.advanceTimersByTimeAsync(1_000);
  const result = await kill.press(true);
  expect(kill.on.value).toBe(true);
  expect(pulledInWords(result)).toBe("2 bots stopped, 1 order cancelled.");
  logs("The kill switch is on: 2 bots stopped.");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(said).toEqual([]);
});
