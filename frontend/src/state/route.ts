/** Which page an address means: `#markets`, `#bots` and so on, and everything else is a chart. */

import { type ReadonlySignal, signal } from "@preact/signals";

const NAMED = ["markets", "bots", "orders", "activity", "portfolio", "connection", "account", "admin", "tokens", "token", "platform"] as const;

export type PageName = "chart" | (typeof NAMED)[number];

/** Symbols are written in capitals, so no market can be mistaken for a page. */
export function pageOf(hash: string): PageName {
  const name = hash.replace(/^#\/?/, "").split(/[/?]/)[0];
  if (name === "analytics") return "portfolio";
  return NAMED.find((page) => page === name) ?? "chart";
}

/** What stands behind the page's name: `#orders?bot=3` has bot 3. */
export function queryOf(hash: string): URLSearchParams {
  const at = hash.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : hash.slice(at + 1));
}

export interface Route {
  readonly page: ReadonlySignal<PageName>;
  stop(): void;
}

/** Follow the address bar. */
export function followRoute(): Route {
  const page = signal(pageOf(location.hash));
  const onHash = (): void => {
    page.value = pageOf(location.hash);
  };
  addEventListener("hashchange", onHash);
  return { page, stop: () => removeEventListener("hashchange", onHash) };
}
