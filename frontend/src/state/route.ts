/** Which page an address means: `#markets`, `#admin`, and everything else is a chart. */

import { type ReadonlySignal, signal } from "@preact/signals";

export type PageName = "chart" | "markets" | "admin";

/** Symbols are written in capitals, so no market can be mistaken for a page. */
export function pageOf(hash: string): PageName {
  const name = hash.replace(/^#\/?/, "").split(/[/?]/)[0];
  return name === "markets" || name === "admin" ? name : "chart";
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
