import { describe, expect, it } from "vitest";
import { getPriceCacheStats } from "../src/admin.ts";
import { Auth, memoryStore } from "../src/auth.ts";
import { ApiError } from "../src/rest.ts";
import { FakeClock } from "./fakes.ts";

interface Call {
  readonly path: string;
  readonly body: Record<string, string> | null;
  readonly bearer: string | null;
}

/** A server of one account that numbers its tokens; each refresh token is good for one refresh. */
class FakeServer {
  readonly calls: Call[] = [];
  /** The access tokens that it accepts. */
  readonly good = new Set<string>();
  refreshToken = "r0";
  role = "admin";
  down = false;
  /** Held while a test wants answers to be on their way. */
  gate: Promise<void> = Promise.resolve();
  private count = 0;

  readonly fetch: typeof fetch = async (url, init) => {
    const path = String(url).replace("http://h", "");
    const headers = new Headers(init?.headers);
    const bearer = headers.get("authorization")?.replace("Bearer ", "") ?? null;
    const body = init?.body ? (JSON.parse(String(init.body)) as Record<string, string>) : null;
    this.calls.push({ path, body, bearer });
    await this.gate;
    if (this.down) throw new TypeError("fetch failed");
    if (path === "/api/v1/auth/token") {
      return body?.password === "right" ? this.tokens() : said(401, "The name or the password is wrong.");
    }
    if (path === "/api/v1/auth/sign-up") {
      return body?.name === "taken" ? said(409, "The name taken is taken.") : this.tokens();
    }
    if (path === "/api/v1/auth/refresh") {
      return body?.refreshToken === this.refreshToken ? this.tokens() : said(401, "This refresh token is not valid.");
    }
    if (path === "/api/v1/auth/sign-out" && bearer !== null && this.good.has(bearer)) return json({ ended: 1 });
    if (bearer === null || !this.good.has(bearer)) return said(401, "Sign in.");
    if (path === "/api/v1/auth/me") return json({ id: 7, name: "ada", role: this.role });
    if (path === "/missing") return said(404, "There is no such thing.");
    return json({ path });
  };

  refreshes(): number {
    return this.calls.filter(({ path }) => path === "/api/v1/auth/refresh").length;
  }

  private tokens(): Response {
    this.count += 1;
    this.refreshToken = `r${this.count}`;
    this.good.add(`a${this.count}`);
    return json({ accessToken: `a${this.count}`, tokenType: "Bearer", expiresIn: 900, refreshToken: this.refreshToken });
  }
}

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status });
}

function said(status: number, message: string): Response {
  return json({ success: false, message }, status);
}

function make() {
  const server = new FakeServer();
  const clock = new FakeClock();
  const store = memoryStore();
  const auth = new Auth("http://h", { store, clock, fetch: server.fetch });
  return { server, clock, store, auth };
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("signing in", () => {
  it("learns who it is, tells watchers, and keeps only the refresh token in the store", async () => {
    const { auth, store } = make();
    const seen: (string | null)[] = [];
    auth.watch((account) => void seen.push(account?.name ?? null));
    expect(await auth.signIn("ada", "right")).toEqual({ id: 7, name: "ada", role: "admin" });
    expect(seen).toEqual([null, "ada"]);
    expect(store.load()).toBe("r1");
  });

  it("passes the server's words on, and stays signed out", async () => {
    const { auth, store } = make();
    const error = await failure(auth.signIn("ada", "wrong"));
    expect(error).toMatchObject({ kind: "http", status: 401, message: "The name or the password is wrong." });
    expect(auth.account).toBeNull();
    expect(store.load()).toBeNull();
  });

  it("makes an account and is signed in; a name that is taken leaves it signed out", async () => {
    const { auth, store } = make();
    expect(await failure(auth.signUp("taken", "long enough"))).toMatchObject({ kind: "http", status: 409 });
    expect(auth.account).toBeNull();
    expect(await auth.signUp("ada", "long enough")).toEqual({ id: 7, name: "ada", role: "admin" });
    expect(store.load()).toBe("r1");
  });

  it("does not come back to life when its answer arrives after signing out", async () => {
    const { auth, server, store } = make();
    let open = (): void => {};
    server.gate = new Promise((resolve) => { open = resolve; });
    const late = failure(auth.signIn("ada", "right"));
    void auth.signOut();
    open();
    expect((await late).kind).toBe("aborted");
    expect(auth.account).toBeNull();
    expect(store.load()).toBeNull();
  });
});

describe("requests", () => {
  it("carry the token", async () => {
    const { auth, server } = make();
    await auth.signIn("ada", "right");
    expect(await auth.request("/thing")).toEqual({ path: "/thing" });
    expect(server.calls.at(-1)?.bearer).toBe("a1");
    expect(server.refreshes()).toBe(0);
  });

  it("renew a token shortly before it runs out, and keep the new refresh token", async () => {
    const { auth, clock, server, store } = make();
    await auth.signIn("ada", "right");
    clock.advance(869_000);
    await auth.request("/thing");
    expect(server.refreshes()).toBe(0);
    clock.advance(2_000);
    await auth.request("/thing");
    expect(server.refreshes()).toBe(1);
    expect(server.calls.at(-1)?.bearer).toBe("a2");
    expect(store.load()).toBe("r2");
  });

  it("renew once for all that wait", async () => {
    const { auth, clock, server } = make();
    await auth.signIn("ada", "right");
    clock.advance(900_000);
    await Promise.all([auth.request("/one"), auth.request("/two"), auth.request("/three")]);
    expect(server.refreshes()).toBe(1);
  });

  it("renew once when the server refuses the token early, and then give up", async () => {
    const { auth, server } = make();
    await auth.signIn("ada", "right");
    server.good.clear();
    expect(await auth.request("/thing")).toEqual({ path: "/thing" });
    server.good.clear();
    server.refreshToken = "revoked";
    const error = await failure(auth.request("/thing"));
    expect(error).toMatchObject({ status: 401, message: "This refresh token is not valid." });
    expect(auth.account).toBeNull();
  });

  it("do not sign out because of a server that cannot be reached", async () => {
    const { auth, clock, server, store } = make();
    await auth.signIn("ada", "right");
    clock.advance(900_000);
    server.down = true;
    expect((await failure(auth.request("/thing"))).kind).toBe("network");
    expect(auth.account?.name).toBe("ada");
    expect(store.load()).toBe("r1");
  });

  it("leave other refusals to the caller, without a second try", async () => {
    const { auth, server } = make();
    await auth.signIn("ada", "right");
    const before = server.calls.length;
    expect((await failure(auth.request("/missing"))).status).toBe(404);
    expect(server.calls.length).toBe(before + 1);
  });

  it("say that nobody is signed in without asking the server", async () => {
    const { auth, server } = make();
    expect((await failure(auth.request("/thing"))).status).toBe(401);
    expect(server.calls).toEqual([]);
  });
});

describe("going on", () => {
  it("resumes from the kept refresh token", async () => {
    const { auth, store, server } = make();
    store.save("r0");
    expect((await auth.resume())?.name).toBe("ada");
    expect(store.load()).toBe("r1");
    expect(server.refreshes()).toBe(1);
  });

  it("is nobody without one, or with one that is refused, which is then forgotten", async () => {
    const { auth, store } = make();
    expect(await auth.resume()).toBeNull();
    store.save("forged");
    expect(await auth.resume()).toBeNull();
    expect(store.load()).toBeNull();
  });

  it("keeps the refresh token when the server cannot be reached", async () => {
    const { auth, store, server } = make();
    store.save("r0");
    server.down = true;
    expect((await failure(auth.resume())).kind).toBe("network");
    expect(store.load()).toBe("r0");
  });

});

describe("signing out", () => {
  it("forgets everything at once, and ends the session at the server", async () => {
    const { auth, server, store } = make();
    await auth.signIn("ada", "right");
    const told = auth.signOut();
    expect(auth.account).toBeNull();
    expect(store.load()).toBeNull();
    await told;
    expect(server.calls.at(-1)).toMatchObject({ path: "/api/v1/auth/sign-out", bearer: "a1" });
    expect((await failure(auth.request("/thing"))).status).toBe(401);
  });

  it("renews a token that has run out for it, and keeps nothing of that", async () => {
    const { auth, clock, server, store } = make();
    await auth.signIn("ada", "right");
    clock.advance(3_600_000);
    await auth.signOut();
    expect(server.calls.at(-1)).toMatchObject({ path: "/api/v1/auth/sign-out", bearer: "a2" });
    expect(store.load()).toBeNull();
  });

  it("is done even if the server cannot be reached", async () => {
    const { auth, server } = make();
    await auth.signIn("ada", "right");
    server.down = true;
    await auth.signOut();
    expect(auth.account).toBeNull();
  });

  it("says nothing when nobody is signed in", async () => {
    const { auth, server } = make();
    await auth.signOut();
    expect(server.calls).toEqual([]);
  });
});

it("calls figures that are none malformed", async () => {
  const { auth } = make();
  await auth.signIn("ada", "right");
  expect((await failure(getPriceCacheStats(auth))).kind).toBe("malformed");
});
