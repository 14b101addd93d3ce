/** What belongs to who is signed in: sessions, API keys, and keys of exchanges. Not to be had with an API key. */

import type { Credentials } from "./credentials.ts";
import { ApiError, type RequestOptions } from "./rest.ts";

/** Somewhere that one is signed in. Times ISO 8601. */
export interface SignInSession {
  readonly id: string;
  /** The one that asks. */
  readonly current: boolean;
  readonly userAgent: string;
  readonly address: string;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  readonly expiresAt: string;
}

export type KeyScope = "read" | "trade" | "admin";

/** What may be told of an API key. Times ISO 8601; `lastUsedAt` is right to the minute. */
export interface ApiKeyInfo {
  readonly prefix: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly createdAt: string;
  readonly lastUsedAt: string | null;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

export interface KeyDraft {
  readonly name: string;
  /** `read` is in every key. */
  readonly scopes: readonly KeyScope[];
  /** 1 to 3650; left out: good until it is revoked. */
  readonly expiresInDays?: number;
}

/** `key` is told this once. */
export interface MadeKey {
  readonly key: string;
  readonly info: ApiKeyInfo;
}

/** A key of an exchange; it goes in and never comes out again. */
export interface ExchangeKey {
  readonly id: number;
  readonly exchange: string;
  readonly name: string;
  /** The end of the key, empty for a short one. */
  readonly hint: string;
  readonly created_at: string;
}

const AUTH = "/api/v1/auth";
const EXCHANGE_KEYS = "/api/v1/exchange-keys";

/** Every method throws `ApiError` and nothing else. */
export class AccountApi {
  constructor(private readonly credentials: Pick<Credentials, "request">) {}

  /**
   * Another password, by showing the one that one has; answers how many other sessions ended. A wrong `current` is
   * status 403, and costs a try; a `next` that will not do is 400.
   */
  async changePassword(current: string, next: string, options: RequestOptions = {}): Promise<number> {
    const body = await this.credentials.request(`${AUTH}/password`, { ...options, method: "POST", json: { current, new: next } });
    return isFields(body) && typeof body.ended === "number" ? body.ended : 0;
  }

  /** The one used last first. */
  async sessions(options: RequestOptions = {}): Promise<readonly SignInSession[]> {
    return listIn(await this.credentials.request(`${AUTH}/sessions`, options), "sessions", isSession);
  }

  async endSession(id: string, options: RequestOptions = {}): Promise<void> {
    await this.credentials.request(`${AUTH}/sessions/${encodeURIComponent(id)}`, { ...options, method: "DELETE" });
  }

  /** End every session, this one too; answers how many there were. API keys stay. */
  async signOutEverywhere(options: RequestOptions = {}): Promise<number> {
    const body = await this.credentials.request(`${AUTH}/sign-out-everywhere`, { ...options, method: "POST" });
    return isFields(body) && typeof body.ended === "number" ? body.ended : 0;
  }

  /** Newest first, revoked ones among them. */
  async keys(options: RequestOptions = {}): Promise<readonly ApiKeyInfo[]> {
    return listIn(await this.credentials.request(`${AUTH}/keys`, options), "keys", isKey);
  }

  async makeKey(draft: KeyDraft, options: RequestOptions = {}): Promise<MadeKey> {
    const body = await this.credentials.request(`${AUTH}/keys`, { ...options, method: "POST", json: draft });
    if (!isFields(body) || typeof body.key !== "string" || !isKey(body.info)) throw new ApiError("malformed", "The server's answer holds no key.");
    return { key: body.key, info: body.info };
  }

  async revokeKey(prefix: string, options: RequestOptions = {}): Promise<void> {
    await this.credentials.request(`${AUTH}/keys/${encodeURIComponent(prefix)}`, { ...options, method: "DELETE" });
  }

  async exchangeKeys(options: RequestOptions = {}): Promise<readonly ExchangeKey[]> {
    return listIn(await this.credentials.request(EXCHANGE_KEYS, options), "keys", isExchangeKey);
  }

  /** Store a key of an exchange, one for each. The server encrypts it. */
  async addExchangeKey(
    key: { readonly exchange: string; readonly name: string; readonly api_key: string; readonly secret: string }, options: RequestOptions = {},
  ): Promise<ExchangeKey> {
    const body = await this.credentials.request(EXCHANGE_KEYS, { ...options, method: "POST", json: key });
    if (!isExchangeKey(body)) throw new ApiError("malformed", "The server's answer is no key of an exchange.");
    return body;
  }

  /** Not while bots are at work there, or have orders there: then status 409. */
  async removeExchangeKey(id: number, options: RequestOptions = {}): Promise<void> {
    await this.credentials.request(`${EXCHANGE_KEYS}/${id}`, { ...options, method: "DELETE" });
  }
}

function listIn<T>(body: unknown, name: string, holds: (item: unknown) => item is T): readonly T[] {
  const list = isFields(body) ? body[name] : undefined;
  if (!Array.isArray(list) || !list.every(holds)) throw new ApiError("malformed", `The server's answer holds no list of ${name}.`);
  return list;
}

function isSession(item: unknown): item is SignInSession {
  return isFields(item) && [item.id, item.userAgent, item.address, item.lastUsedAt].every(isText) && typeof item.current === "boolean";
}

function isKey(item: unknown): item is ApiKeyInfo {
  return isFields(item) && [item.prefix, item.name, item.createdAt].every(isText) && Array.isArray(item.scopes) && item.scopes.every(isText);
}

function isExchangeKey(item: unknown): item is ExchangeKey {
  return isFields(item) && typeof item.id === "number" && [item.exchange, item.name, item.hint, item.created_at].every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
