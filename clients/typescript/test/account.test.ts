import { describe, expect, it } from "vitest";
import { AccountApi } from "../src/account.ts";
import { ApiError, type JsonRequest } from "../src/rest.ts";

/** Credentials that remember what was asked and answer what they are given. */
function signedIn(answer: unknown) {
  const asked: [string, string, unknown][] = [];
  const request = async (path: string, { method = "GET", json }: JsonRequest = {}): Promise<unknown> => {
    asked.push([method, path, json]);
    return answer;
  };
  return { asked, api: new AccountApi({ request }) };
}

const session = { id: "a b", current: true, userAgent: "curl", address: "192.0.2.1", createdAt: "", lastUsedAt: "", expiresAt: "" };
const key = { prefix: "p", name: "n", scopes: ["read"], createdAt: "", lastUsedAt: null, expiresAt: null, revokedAt: null };

describe("the account", () => {
  it("asks for what the server has, by its paths", async () => {
    const { api, asked } = signedIn({ sessions: [session], keys: [key], key: "ok_p_secret", info: key, ended: 3 });
    expect(await api.sessions()).toEqual([session]);
    await api.endSession("a b");
    expect(await api.signOutEverywhere()).toBe(3);
    expect(await api.keys()).toEqual([key]);
    expect((await api.makeKey({ name: "n", scopes: ["read"], expiresInDays: 90 })).key).toBe("ok_p_secret");
    await api.revokeKey("p");
    await api.removeExchangeKey(7);
    expect(await api.changePassword("old one", "new one")).toBe(3);
    expect(asked).toEqual([
      ["GET", "/api/v1/auth/sessions", undefined],
      ["DELETE", "/api/v1/auth/sessions/a%20b", undefined],
      ["POST", "/api/v1/auth/sign-out-everywhere", undefined],
      ["GET", "/api/v1/auth/keys", undefined],
      ["POST", "/api/v1/auth/keys", { name: "n", scopes: ["read"], expiresInDays: 90 }],
      ["DELETE", "/api/v1/auth/keys/p", undefined],
      ["DELETE", "/api/v1/exchange-keys/7", undefined],
      ["POST", "/api/v1/auth/password", { current: "old one", new: "new one" }],
    ]);
  });

  it("takes nothing for an answer that is none", async () => {
    const { api } = signedIn({ sessions: [{}], keys: "none", key: 1 });
    for (const ask of [() => api.sessions(), () => api.keys(), () => api.exchangeKeys(), () => api.makeKey({ name: "n", scopes: [] })]) {
      await expect(ask()).rejects.toThrow(ApiError);
    }
  });
});
