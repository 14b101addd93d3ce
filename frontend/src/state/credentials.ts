/** Sessions and keys in words. Pure. */

import type { ApiKeyInfo, KeyScope } from "@openoutcry/client";
import { day } from "./times.ts";

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg(?:e|A|iOS)?\//, "Edge"], [/OPR\/|Opera/, "Opera"], [/SamsungBrowser\//, "Samsung Internet"], [/Firefox\/|FxiOS\//, "Firefox"],
  [/Chrome\/|CriOS\/|Chromium\//, "Chrome"], [/Safari\//, "Safari"],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Android/, "Android"], [/Windows/, "Windows"], [/Mac OS X|Macintosh/, "macOS"], [/CrOS/, "ChromeOS"], [/Linux|X11/, "Linux"],
];

/** `Firefox on Windows`, `curl`: what somebody would call it who knows nothing of user agents. */
export function deviceOf(userAgent: string): string {
  const named = (list: typeof BROWSERS): string | undefined => list.find(([form]) => form.test(userAgent))?.[1];
  const browser = named(BROWSERS);
  if (browser === undefined) return userAgent.trim().split(/[/\s]/)[0]?.slice(0, 40) || "Unknown program";
  const system = named(SYSTEMS);
  return system === undefined ? browser : `${browser} on ${system}`;
}

export type KeyState = "good" | "expired" | "revoked";

export function stateOf({ revokedAt, expiresAt }: Pick<ApiKeyInfo, "revokedAt" | "expiresAt">, now = Date.now()): KeyState {
  if (revokedAt !== null) return "revoked";
  return expiresAt !== null && Date.parse(expiresAt) <= now ? "expired" : "good";
}

/** `expires 3 Feb 2027`. */
export function endOf(key: ApiKeyInfo, now = Date.now()): string {
  if (key.revokedAt !== null) return `revoked ${day(key.revokedAt)}`;
  if (key.expiresAt === null) return "never expires";
  return `${stateOf(key, now) === "expired" ? "expired" : "expires"} ${day(key.expiresAt)}`;
}

export const SCOPE_WORDS: Readonly<Record<KeyScope, readonly [name: string, may: string]>> = {
  read: ["Read", "See your bots, orders, fills, log and portfolio."],
  trade: ["Trade", "Make, change, start, stop and delete your bots, cancel orders, move paper money, pull the kill switch."],
  admin: ["Admin", "Use what only administrators may use."],
};

/** Days, as a choice; "" is for good. */
export const LIVES: readonly (readonly [days: string, words: string])[] = [["30", "30 days"], ["90", "90 days"], ["365", "1 year"], ["", "Until it is revoked"]];

/** An exchange's id as people write it. */
export function exchangeName(id: string): string {
  return id.slice(0, 1).toUpperCase() + id.slice(1);
}
