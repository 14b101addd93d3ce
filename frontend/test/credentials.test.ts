import type { ApiKeyInfo } from "@openoutcry/client";
import { describe, expect, it } from "vitest";
import { deviceOf, endOf, stateOf } from "../src/state/credentials.ts";

const NOW = Date.parse("2026-06-01T00:00:00Z");
const key = (change: Partial<ApiKeyInfo>): ApiKeyInfo => ({
  prefix: "p", name: "n", scopes: ["read"], createdAt: "2026-01-01T00:00:00Z", lastUsedAt: null, expiresAt: null, revokedAt: null, ...change,
});

it("user agents are called what people call them", () => {
  const agents = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0": "Firefox on Windows",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0": "Edge on Windows",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15": "Safari on macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1": "Safari on iPhone",
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36": "Chrome on Android",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0 Safari/537.36": "Chrome on Linux",
    "curl/8.5.0": "curl",
    "": "Unknown program",
  };
  for (const [agent, name] of Object.entries(agents)) expect(deviceOf(agent)).toBe(name);
});

describe("a key", () => {
  it("is good until it is revoked or its time is over", () => {
    expect(stateOf(key({}), NOW)).toBe("good");
    expect(stateOf(key({ expiresAt: "2026-06-01T00:00:00.001Z" }), NOW)).toBe("good");
    expect(stateOf(key({ expiresAt: "2026-06-01T00:00:00Z" }), NOW)).toBe("expired");
    expect(stateOf(key({ expiresAt: "2026-05-01T00:00:00Z", revokedAt: "2026-04-01T00:00:00Z" }), NOW)).toBe("revoked");
  });

  it("says when it ends or has ended, with the year", () => {
    expect(endOf(key({}), NOW)).toBe("never expires");
    expect(endOf(key({ expiresAt: "2027-02-03T10:00:00Z" }), NOW)).toBe("expires 3 Feb 2027");
    expect(endOf(key({ expiresAt: "2026-02-03T10:00:00Z" }), NOW)).toBe("expired 3 Feb 2026");
    expect(endOf(key({ revokedAt: "2026-02-04T10:00:00Z" }), NOW)).toBe("revoked 4 Feb 2026");
  });
});
