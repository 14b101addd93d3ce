import { describe, expect, it } from "vitest";
import { Auth, memoryStore } from "../src/auth.ts";
import { type Locks, type Peers, tabs, type Wire } from "../src/peers.ts";
import { FakeClock } from "./fakes.ts";

/** Hands what one tab posts to all the others, later, as a browser does. */
class Room {
  private readonly wires: Wire[] = [];
  private queue: Promise<unknown> = Promise.resolve();

  readonly locks: Locks = {
    request: <T>(_: string, task: () => Promise<T>): Promise<T> => {
      const turn = this.queue.then(task);
      this.queue = turn.catch(() => null);
      return turn;
    },
  };

  join(locks: Locks | null = this.locks): { peers: Peers; wire: Wire } {
    const wire: Wire = {
      onmessage: null,
      postMessage: (data) => {
        for (const other of this.wires) {
          if (other !== wire) setTimeout(() => other.onmessage?.({ data: structuredClone(data) } as MessageEvent), 1);
        }
      },
    };
    this.wires.push(wire);
    return { peers: tabs({ wire, locks, within: 20 }), wire };
  }
}

/** A server that ends a session whose refresh token is shown twice. */
class StrictServer {
  refreshes = 0;
  alive = true;
  private current = "r0";
  private readonly good = new Set<string>();

  readonly fetch: typeof fetch = async (url, init) => {
    const body = init?.body ? (JSON.parse(String(init.body)) as { refreshToken?: string }) : {};
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (String(url).endsWith("/auth/token")) return this.tokens();
    if (String(url).endsWith("/auth/refresh")) {
      if (body.refreshToken !== this.current) this.alive = false;
      return this.alive ? this.tokens() : answer(401, { message: "This session is over." });
    }
    if (String(url).endsWith("/auth/sign-out")) {
      this.alive = false;
      return answer(200, { ended: 1 });
    }
    const bearer = new Headers(init?.headers).get("authorization")?.replace("Bearer ", "") ?? "";
    if (!this.alive || !this.good.has(bearer)) return answer(401, { message: "Sign in." });
    return answer(200, { id: 7, name: "ada", role: "user" });
  };

  private tokens(): Response {
    this.refreshes += 1;
    this.current = `r${this.refreshes}`;
    this.good.add(`a${this.refreshes}`);
    return answer(200, { accessToken: `a${this.refreshes}`, expiresIn: 900, refreshToken: this.current });
  }
}

function answer(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

function make() {
  const room = new Room();
  const server = new StrictServer();
  const clock = new FakeClock();
  const open = (token: string | null = null, locks: Locks | null = room.locks) => {
    const store = memoryStore();
    store.save(token);
    const { peers, wire } = room.join(locks);
    return { store, wire, auth: new Auth("http://h", { store, clock, peers, fetch: server.fetch }) };
  };
  return { room, server, clock, open };
}

describe("tabs of one session", () => {
  it("renew once for all when a tab was duplicated, and the session goes on", async () => {
    const { server, clock, open } = make();
    const first = open();
    await first.auth.signIn("ada", "right");
    const copy = open(first.store.load());
    clock.advance(900_000);
    await Promise.all([first.auth.request("/one"), copy.auth.request("/two"), copy.auth.request("/three")]);
    expect(server).toMatchObject({ alive: true, refreshes: 2 });
    expect(copy.store.load()).toBe(first.store.load());
  });

  it("lead a tab with an old token to the newest one, over several renewals", async () => {
    const { server, clock, open } = make();
    const first = open();
    await first.auth.signIn("ada", "right");
    const old = first.store.load();
    for (let round = 0; round < 3; round++) {
      clock.advance(900_000);
      await first.auth.request("/thing");
    }
    const restored = open(old);
    expect((await restored.auth.resume())?.name).toBe("ada");
    expect(server).toMatchObject({ alive: true, refreshes: 4 });
  });

  it("do not trust another tab's old token when a third knows better", async () => {
    const { server, clock, open } = make();
    const first = open();
    await first.auth.signIn("ada", "right");
    const old = first.store.load();
    const asleep = open(old);
    const hears = asleep.wire.onmessage;
    asleep.wire.onmessage = null;
    clock.advance(900_000);
    await first.auth.request("/thing");
    asleep.wire.onmessage = hears;
    clock.advance(900_000);
    const restored = open(old);
    await restored.auth.request("/thing");
    await asleep.auth.request("/thing");
    expect(server).toMatchObject({ alive: true, refreshes: 3 });
  });

  it("let a new tab in without a password, and are signed out together", async () => {
    const { server, open } = make();
    const first = open();
    await first.auth.signIn("ada", "right");
    const second = open();
    expect((await second.auth.resume())?.name).toBe("ada");
    expect(server.refreshes).toBe(1);
    await second.auth.signOut();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(first.auth.account).toBeNull();
    expect(first.store.load()).toBeNull();
  });

  it("leave a tab alone that is signed in as somebody else", async () => {
    const { open } = make();
    const first = open();
    await first.auth.signIn("ada", "right");
    const other = open("of another session");
    await first.auth.signOut();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(other.store.load()).toBe("of another session");
  });

  it("still renew one after the other where there are no locks", async () => {
    const { server, clock, open } = make();
    const first = open(null, null);
    await first.auth.signIn("ada", "right");
    const copy = open(first.store.load(), null);
    clock.advance(900_000);
    await first.auth.request("/one");
    await copy.auth.request("/two");
    expect(server).toMatchObject({ alive: true, refreshes: 2 });
  });
});
