import type { PriceCacheStats } from "@openoutcry/client";
import { expect, it } from "vitest";
import { niceTop } from "../src/admin/scale.ts";
import { pathOf } from "../src/markets/Sparkline.tsx";
import { sampleOf } from "../src/state/admin.ts";
import { pageOf } from "../src/state/route.ts";

const stats = { upstreamCallsLastMinute: 4, hits: 100 } as PriceCacheStats;

it("counts hits a second between two answers, and none across a restart", () => {
  const first = sampleOf(stats, 1_000, undefined);
  expect(first).toEqual({ at: 1_000, upstreamCalls: 4, hits: 100, hitsPerSecond: null });
  const second = sampleOf({ ...stats, hits: 150 }, 3_000, first);
  expect(second.hitsPerSecond).toBe(25);
  expect(sampleOf({ ...stats, hits: 3 }, 5_000, second).hitsPerSecond).toBeNull();
});

it.each([[0, 1], [1, 1], [3, 5], [6, 10], [10, 10], [11, 20], [700, 1_000], [49_000, 50_000]])(
  "draws up to %d on a scale that ends at %d",
  (most, top) => expect(niceTop(most)).toBe(top),
);

it("draws a line from the left edge to the right, and a flat one in the middle", () => {
  expect(pathOf([1, 2, 3])).toBe("M2.0 22.0L48.0 12.0L94.0 2.0");
  expect(pathOf([5, 5])).toBe("M2.0 12.0L94.0 12.0");
});

it.each([
  ["", "chart"], ["#", "chart"], ["#BTCUSDT/1m", "chart"], ["#/BTCUSDT", "chart"], ["#markets", "markets"],
  ["#/markets", "markets"], ["#markets?x", "markets"], ["#admin", "admin"], ["#MARKETS", "chart"], ["#marketsUSDT", "chart"],
])("takes %j for the page %s", (hash, page) => expect(pageOf(hash)).toBe(page));
