/** A client over a scripted hub, for the bindings: everything but the network is real. */

import { memoryStore } from "../src/auth.ts";
import { type Client, createClient } from "../src/client.ts";
import { ApiKey } from "../src/credentials.ts";
import { ALONE } from "../src/peers.ts";
import { FakeClock, FakeHub } from "./fakes.ts";

let count = 0;

export interface StandIn {
  readonly client: Client;
  readonly hub: FakeHub;
  readonly clock: FakeClock;
  /** Sign in on the hub and answer the private channel. */
  open(snapshot: object): Promise<void>;
}

export function standIn(): StandIn {
  const hub = new FakeHub();
  const clock = new FakeClock();
  const client = createClient({
    hubUrl: `ws://hub-${++count}`, peers: ALONE, store: memoryStore(), credentials: new ApiKey("http://h", "ok_key"),
    connection: { clock, openSocket: hub.openSocket },
  });
  return {
    client, hub, clock,
    async open(data) {
      hub.last.accept();
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      hub.last.says({ type: "authenticated" });
      const asked = hub.last.sent.filter(({ type, channel }) => type === "subscribe" && channel === "user").at(-1);
      hub.last.says({ type: "subscribed", channel: "user", id: asked?.id, recovered: false, data, offset: 10, epoch: "e" });
    },
  };
}
