/** The pages, each fetched when it is first shown: whoever watches a list needs no chart. */

import type { ComponentType } from "preact";
import type { Desk } from "../state/desk.ts";
import type { PageName } from "../state/route.ts";

/** A page that is shown, until `stop`. The two components are this page's own for as long as it lives. */
export interface Page {
  /** What it puts into the bar at the top. */
  readonly Tools: ComponentType;
  readonly Main: ComponentType;
  stop(): void;
}

export type Start = (desk: Desk) => Page;

const LOADERS: Record<PageName, () => Promise<{ readonly start: Start }>> = {
  chart: () => import("../chart/page.tsx"),
  markets: () => import("../markets/page.tsx"),
  bots: () => import("../bots/page.tsx"),
  orders: () => import("../orders/page.tsx"),
  activity: () => import("../activity/page.tsx"),
  portfolio: () => import("../portfolio/page.tsx"),
  connection: () => import("../connection/page.tsx"),
  account: () => import("../account/page.tsx"),
  admin: () => import("../admin/page.tsx"),
  tokens: () => import("../tokens/listPage.tsx"),
  token: () => import("../tokens/tokenPage.tsx"),
  platform: () => import("../tokens/platformPage.tsx"),
};

export async function load(name: PageName): Promise<Start> {
  return (await LOADERS[name]()).start;
}
