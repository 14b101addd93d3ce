/** Signing in: tokens are kept, renewed before they end and sent along, so that callers need not care. */

import { type Clock, systemClock } from "./clock.ts";
import type { AccessToken, Credentials } from "./credentials.ts";
import { ALONE, type Peers, type SharedTokens } from "./peers.ts";
import { ApiError, type JsonRequest, requestJson, type RequestOptions } from "./rest.ts";
import { Listeners } from "./status.ts";

export interface Account {
  readonly id: number;
  readonly name: string;
  readonly role: "user" | "admin" | (string & {});
}

/** Where the refresh token outlives the page, if anywhere. `save(null)` forgets it. */
export interface TokenStore {
  load(): string | null;
  save(token: string | null): void;
}

export interface AuthOptions {
  readonly store?: TokenStore;
  /** Other tabs with the same session: one renews for all. See `tabs`. */
  readonly peers?: Peers;
  readonly clock?: Clock;
  readonly fetch?: typeof fetch;
}

interface Tokens {
  readonly accessToken: string;
  readonly expiresIn: number;
  readonly refreshToken?: string;
}

/** An access token is renewed when it has less than this left, ms. */
const EARLY = 30_000;

export class Auth implements Credentials {
  private readonly store: TokenStore;
  private readonly peers: Peers;
  private readonly clock: Clock;
  private readonly watchers = new Listeners<[Account | null]>();
  private readonly options: RequestOptions;
  /** Only ever here, in memory: it is gone with the page. */
  private access: AccessToken | null = null;
  private renewing: Promise<void> | null = null;
  private current: Account | null = null;
  /** Counts sign-ins and sign-outs: an answer to an earlier one comes too late. */
  private epoch = 0;

  /** `origin` such as `https://host:8000`, or "" for this page's own. */
  constructor(
    private readonly origin: string,
    { store = memoryStore(), peers = ALONE, clock = systemClock, fetch }: AuthOptions = {},
  ) {
    this.store = store;
    this.peers = peers;
    this.clock = clock;
    this.options = fetch ? { fetch } : {};
    peers.listen({
      current: () => this.shared(),
      onRenewed: (tokens) => this.adopt(tokens),
      onSignedOut: () => this.forget(),
    });
  }

  /** Who is signed in. */
  get account(): Account | null {
    return this.current;
  }

  /** Call `watcher` now and whenever somebody signs in or out. The answer stops that. */
  watch(watcher: (account: Account | null) => void): () => void {
    const stop = this.watchers.add(watcher);
    watcher(this.current);
    return stop;
  }

  /** Throws `ApiError`; a wrong name or password is its status 401. */
  async signIn(name: string, password: string): Promise<Account> {
    return this.enter("/api/v1/auth/token", name, password);
  }

  /** Make an account, where the server lets anybody, and be signed in. Throws `ApiError`; 409 is a name that is taken. */
  async signUp(name: string, password: string): Promise<Account> {
    return this.enter("/api/v1/auth/sign-up", name, password);
  }

  private async enter(path: string, name: string, password: string): Promise<Account> {
    const epoch = ++this.epoch;
    const answer = await this.post(path, { name, password });
    if (epoch !== this.epoch) throw new ApiError("aborted", "The request was given up.");
    this.keep(answer);
    return this.learnWho(epoch);
  }

  /**
   * Go on where an earlier page left off, or with the session of another tab. Null if there is nothing to
   * go on with. Throws `ApiError`.
   */
  async resume(): Promise<Account | null> {
    const epoch = this.epoch;
    if (this.store.load() === null) {
      const tokens = await this.peers.ask(null);
      if (!tokens || epoch !== this.epoch) return this.current;
      this.adopt(tokens);
    }
    try {
      if (this.bearer() === null) await this.renew();
      return epoch === this.epoch ? await this.learnWho(epoch) : this.current;
    } catch (error) {
      if (isRefused(error)) return null;
      throw error;
    }
  }

  /** Forget everything at once, then tell the server that the session is over, if it can be reached. */
  async signOut(): Promise<void> {
    const bearer = this.bearer();
    const refreshToken = this.store.load();
    if (refreshToken !== null) this.peers.tellSignedOut(refreshToken);
    this.forget();
    try {
      // The server takes an access token only; one that has run out is renewed for this.
      const token = bearer ?? (refreshToken === null ? null : tokensIn(await this.post("/api/v1/auth/refresh", { refreshToken })).accessToken);
      if (token !== null) await this.post("/api/v1/auth/sign-out", undefined, { authorization: `Bearer ${token}` });
    } catch {
      // It ends by itself when its refresh token runs out; nobody here has that any more.
    }
  }

  /**
   * Make a request as whoever is signed in. Throws `ApiError`.
   *
   * A token that has run out is renewed first, one that the server refuses is renewed once; if that
   * fails too, nobody is signed in any more and the error's status is 401.
   */
  async request(path: string, options: JsonRequest = {}): Promise<unknown> {
    const epoch = this.epoch;
    if (this.bearer() === null) await this.renew();
    const tried = this.access?.token;
    try {
      return await this.send(path, options);
    } catch (error) {
      if (statusOf(error) !== 401 || epoch !== this.epoch) throw error;
    }
    await this.renew(tried);
    return this.send(path, options);
  }

  /** A token for a connection; null if nobody is signed in. `refused` is one that was not taken. Throws `ApiError`. */
  async token(refused?: string): Promise<AccessToken | null> {
    if (this.store.load() === null) return null;
    if (this.bearer() === null || this.access?.token === refused) await this.renew(refused);
    return this.access;
  }

  private send(path: string, options: JsonRequest): Promise<unknown> {
    const headers = { ...options.headers, ...(this.access && { authorization: `Bearer ${this.access.token}` }) };
    return requestJson(`${this.origin}${path}`, { ...this.options, ...options, headers });
  }

  /**
   * However many requests find the token too old, or `refused`, it is renewed once: a refresh token is good
   * only once. The same holds for all tabs that share it.
   */
  private renew(refused?: string): Promise<void> {
    this.renewing ??= this.peers
      .alone(() => this.renewOnce(refused))
      .finally(() => {
        this.renewing = null;
      });
    return this.renewing;
  }

  private async renewOnce(refused: string | undefined): Promise<void> {
    const epoch = this.epoch;
    if (this.isGood(refused)) return; // another tab has told us while we waited for our turn
    const refreshToken = await this.newestKnown(epoch);
    if (this.isGood(refused)) return;
    try {
      const answer = await this.post("/api/v1/auth/refresh", { refreshToken });
      // Signed out meanwhile: the new token is nobody's, here or in another tab.
      if (epoch !== this.epoch) return;
      this.keep(answer);
      this.peers.tellRenewed(refreshToken, this.shared() as SharedTokens);
    } catch (error) {
      // Only a clear no ends the session; a server that cannot be reached will be asked again.
      if (epoch === this.epoch && isRefused(error)) this.forget();
      throw error;
    }
  }

  /** The refresh token that no tab knows a successor of: one that is used up would end the session. */
  private async newestKnown(epoch: number): Promise<string> {
    for (;;) {
      const own = this.store.load();
      if (own === null) throw new ApiError("http", "Sign in first.", 401);
      const known = await this.peers.ask(own);
      if (epoch !== this.epoch) throw new ApiError("aborted", "The request was given up.");
      if (known) this.adopt(known);
      // What was told meanwhile counts as well as what was answered.
      if (this.store.load() === own) return own;
    }
  }

  private isGood(refused: string | undefined): boolean {
    const bearer = this.bearer();
    return bearer !== null && bearer !== refused;
  }

  /** Take over what another tab has got; it is the same session, so the account stays. */
  private adopt({ refreshToken, access }: SharedTokens): void {
    if (this.store.load() !== refreshToken) this.store.save(refreshToken);
    if (access) this.access = access;
  }

  private shared(): SharedTokens | null {
    const refreshToken = this.store.load();
    if (refreshToken === null) return null;
    return this.bearer() === null ? { refreshToken } : { refreshToken, access: this.access as AccessToken };
  }

  private async learnWho(epoch: number): Promise<Account> {
    const account = await this.send("/api/v1/auth/me", {});
    if (!isAccount(account)) throw new ApiError("malformed", "The server does not say who is signed in.");
    if (epoch !== this.epoch) throw new ApiError("aborted", "The request was given up.");
    this.become(account);
    return account;
  }

  /** The access token, unless it has run out or is about to. */
  private bearer(): string | null {
    return this.access !== null && this.access.until - EARLY > this.clock.now() ? this.access.token : null;
  }

  private post(path: string, json: unknown, headers: Record<string, string> = {}): Promise<unknown> {
    return requestJson(`${this.origin}${path}`, { ...this.options, method: "POST", json, headers });
  }

  private keep(answer: unknown): void {
    const { accessToken, expiresIn, refreshToken } = tokensIn(answer);
    this.access = { token: accessToken, until: this.clock.now() + expiresIn * 1000 };
    if (refreshToken !== undefined) this.store.save(refreshToken);
  }

  private forget(): void {
    this.epoch += 1;
    this.access = null;
    this.store.save(null);
    this.become(null);
  }

  private become(account: Account | null): void {
    if (this.current === account) return;
    this.current = account;
    this.watchers.call(account);
  }
}

/** A store that forgets with the page. */
export function memoryStore(): TokenStore {
  let kept: string | null = null;
  return {
    load: () => kept,
    save(token) {
      kept = token;
    },
  };
}

function statusOf(error: unknown): number | null {
  return error instanceof ApiError && error.kind === "http" ? error.status : null;
}

/** Whether the server will have none of the refresh token, however often it is asked. */
function isRefused(error: unknown): boolean {
  return [400, 401, 403].includes(statusOf(error) ?? 0);
}

function tokensIn(answer: unknown): Tokens {
  if (!isTokens(answer)) throw new ApiError("malformed", "The server's answer holds no token.");
  return answer;
}

function isTokens(body: unknown): body is Tokens {
  if (typeof body !== "object" || body === null) return false;
  const fields = body as Record<string, unknown>;
  return (
    typeof fields.accessToken === "string" &&
    typeof fields.expiresIn === "number" &&
    (fields.refreshToken === undefined || typeof fields.refreshToken === "string")
  );
}

function isAccount(body: unknown): body is Account {
  if (typeof body !== "object" || body === null) return false;
  const fields = body as Record<string, unknown>;
  return typeof fields.id === "number" && typeof fields.name === "string" && typeof fields.role === "string";
}
