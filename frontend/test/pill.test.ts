import type { ConnectionState, ConnectionStatus } from "@openoutcry/client";
import { describe, expect, it } from "vitest";
import { bannerFor, pillFor } from "../src/state/pill.ts";

const T = Date.UTC(2026, 10, 21, 9, 15, 29);

function status(state: ConnectionState, change: Partial<ConnectionStatus> = {}): ConnectionStatus {
  return { state, since: T, lastDataAt: T, retryAt: null, attempts: 0, close: null, ...change };
}

describe("the pill", () => {
  it("counts down to the next attempt and never shows 0 s", () => {
    const waiting = status("reconnecting", { retryAt: T + 3_000 });
    expect(pillFor(waiting, T).label).toBe("Reconnecting in 3 s…");
    expect(pillFor(waiting, T + 2_900).label).toBe("Reconnecting in 1 s…");
    expect(pillFor(waiting, T + 3_000).label).toBe("Reconnecting…");
  });

  it("says for how long no data has come", () => {
    expect(pillFor(status("stale"), T + 17_800)).toEqual({ tone: "wait", label: "Stale: no data for 17 s" });
  });

  it("counts from the connection's start when nothing has ever come", () => {
    expect(pillFor(status("stale", { lastDataAt: null }), T + 20_000).label).toBe("Stale: no data for 20 s");
  });

  it.each([["live", "good"], ["connecting", "wait"], ["offline", "bad"], ["closed", "bad"]] as const)(
    "gives %s the tone %s",
    (state, tone) => expect(pillFor(status(state), T).tone).toBe(tone),
  );
});

describe("the banner", () => {
  it("waits for 2 s before it shows", () => {
    expect(bannerFor(status("reconnecting"), T + 2_000, "")).toBeNull();
    expect(bannerFor(status("reconnecting"), T + 2_001, "")?.text).toContain("Prices are as of 09:15:29 UTC");
  });

  it("says so when the hub was never reached", () => {
    expect(bannerFor(status("connecting", { lastDataAt: null }), T + 3_000, "")?.text).toMatch(/^Live prices cannot be reached/);
  });

  it("is not there while connected, stale or not", () => {
    expect(bannerFor(status("live"), T + 60_000, "")).toBeNull();
    expect(bannerFor(status("stale"), T + 60_000, "")).toBeNull();
  });

  it("gives the hub's reason at once, and no button, when it must not come back", () => {
    const closed = status("closed", { close: { code: 3503, reason: "maintenance" } });
    expect(bannerFor(closed, T, "")).toEqual({
      text: "The hub ended the connection: maintenance (3503). Reload to come back.", canRetry: false,
    });
  });
});
