import { createApp, effectScope } from "vue";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OpenOutcry, openOutcry, useOpenOutcry, useTradeStats } from "../src/vue/index.ts";
import { bot, log, message, order, snapshot } from "./make.ts";
import { standIn, type StandIn } from "./standin.ts";

let server: StandIn;
let scope = effectScope();

beforeEach(() => {
  server = standIn();
  scope = effectScope();
});
afterEach(() => scope.stop());

const counts = { trades_7d: 1, trades_30d: 2, last_updated: "2026-01-01T00:00:00.000Z" };
const answering: typeof fetch = async () => new Response(JSON.stringify({ success: true, data: counts }));

describe("the composables", () => {
  it("follow the connection and the trading of whoever is signed in", async () => {
    const desk = scope.run(() => useOpenOutcry(server.client)) as OpenOutcry;
    expect(desk.isConnected.value).toBe(false);
    await server.open(snapshot({ bots: [bot(1)], logs: [log(1)] }));
    expect(desk.isConnected.value).toBe(true);
    server.hub.last.says(message("bot_created", bot(2), 11));
    server.hub.last.says(message("order_update", order("a"), 12));
    expect(desk.bots.value.map(({ id }) => id)).toEqual([1, 2]);
    expect(desk.orders.value).toHaveLength(1);
    expect(desk.logs.value).toHaveLength(1);
  });

  it("let go when their scope ends", async () => {
    scope.run(() => useOpenOutcry(server.client));
    await server.open(snapshot());
    scope.stop();
    expect(server.hub.last.types().at(-1)).toBe("unsubscribe user");
  });

  it("take the client that the app provides, and say so where there is none", () => {
    const app = createApp({ render: () => null });
    app.use(openOutcry(server.client));
    expect(app.runWithContext(() => scope.run(() => useOpenOutcry())?.client)).toBe(server.client);
    expect(() => scope.run(() => useOpenOutcry())).toThrow("app.use(openOutcry(client))");
  });

  it("count trades without any client", async () => {
    const refs = scope.run(() => useTradeStats({ origin: "http://h", fetch: answering }));
    expect(refs?.isLoading.value).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(refs?.stats.value).toEqual(counts);
    expect(refs?.isLive.value).toBe(false);
  });

  it("count trades as they are pushed where there is one", async () => {
    const refs = scope.run(() => useTradeStats({ client: server.client, fetch: answering }));
    await server.open(snapshot());
    server.hub.last.answers("stats:trades", { ...counts, trades_7d: 9 });
    expect(refs?.stats.value?.trades_7d).toBe(9);
    expect(refs?.isLive.value).toBe(true);
  });
});
