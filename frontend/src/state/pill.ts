/** What the page says about its connection. Pure: the status and the time in, words out. */

import type { ConnectionStatus } from "@openoutcry/client";
import { clockTime } from "./format.ts";

export type Tone = "good" | "wait" | "bad";

export interface Pill {
  readonly tone: Tone;
  readonly label: string;
}

export interface Banner {
  readonly text: string;
  /** Trying again now may help. */
  readonly canRetry: boolean;
}

/** A blink of the connection is not worth a banner. */
const BANNER_AFTER = 2_000;

/** `now` in ms since 1970. */
export function pillFor(status: ConnectionStatus, now: number): Pill {
  switch (status.state) {
    case "live":
      return { tone: "good", label: "Live" };
    case "connecting":
      return { tone: "wait", label: "Connecting…" };
    case "stale":
      return { tone: "wait", label: `Stale: no data for ${silence(status, now)} s` };
    case "reconnecting":
      return { tone: "bad", label: `Reconnecting${inSeconds(status.retryAt, now)}…` };
    case "offline":
      return { tone: "bad", label: "Offline" };
    case "closed":
      return { tone: "bad", label: "Disconnected" };
  }
}

/**
 * The sentence over a page, once the hub has been gone for more than 2 s; null when all is well.
 * `meanwhile` says what the page does about it.
 */
export function bannerFor(status: ConnectionStatus, now: number, meanwhile: string, subject = "Live prices"): Banner | null {
  if (status.state === "live" || status.state === "stale") return null;
  if (status.state === "closed") {
    const { code, reason } = status.close ?? { code: 0, reason: "" };
    return { text: `The hub ended the connection${reason ? `: ${reason}` : ""} (${code}). Reload to come back.`, canRetry: false };
  }
  if (now - status.since <= BANNER_AFTER) return null;
  const old = status.lastDataAt === null ? "" : ` ${subject === "Live prices" ? "Prices are" : "This is"} as of ${clockTime(status.lastDataAt)} UTC.`;
  if (status.state === "offline") return { text: `This device is offline.${old}`, canRetry: true };
  const what = status.lastDataAt === null ? `${subject} cannot be reached.` : `${subject} are interrupted.`;
  return { text: `${what}${old} ${meanwhile}`, canRetry: true };
}

/** Whether the prices on the page may be older than they look. */
export function isDated(status: ConnectionStatus): boolean {
  return status.state !== "live";
}

function silence(status: ConnectionStatus, now: number): number {
  return Math.max(0, Math.floor((now - (status.lastDataAt ?? status.since)) / 1000));
}

function inSeconds(retryAt: number | null, now: number): string {
  if (retryAt === null || retryAt <= now) return "";
  return ` in ${Math.ceil((retryAt - now) / 1000)} s`;
}
