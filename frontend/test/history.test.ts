import { describe, expect, it } from "vitest";
import { loadBefore } from "../src/state/history.ts";
import { floorTo, KNOWN_INTERVALS, move } from "../src/state/intervals.ts";
import { bar, times } from "./make.ts";

/** A store in which trades happened at the given times; it counts what it is asked. */
function store(...trades: number[]) {
  const asked: string[] = [];
  const fetch = async (interval: string, start: number, end: number) => {
    asked.push(interval);
    expect(start).toBeLessThanOrEqual(end);
    expect(start).toBeGreaterThanOrEqual(0);
    let buckets = 0;
    for (let at = floorTo(interval, start); at <= end && buckets <= 1000; at = move(interval, at, 1)) buckets++;
    expect(buckets).toBeLessThanOrEqual(1000);
    const found = new Set(trades.map((time) => floorTo(interval, time)));
    return [...found].filter((time) => time >= start && time <= end).sort((a, b) => a - b).map((time) => bar(time));
  };
  return { asked, fetch };
}

const NOW = Date.UTC(2026, 10, 21, 12) / 1000;

describe("loadBefore", () => {
  it("takes the page right before when there is something in it", async () => {
    const { fetch, asked } = store(NOW - 60, NOW - 120, NOW);
    const page = await loadBefore(fetch, "1m", NOW, 1000);
    expect(times(page.bars)).toEqual([NOW - 120, NOW - 60]);
    expect(page.atStart).toBe(false);
    expect(asked).toEqual(["1m"]);
  });

  it("finds candles on the far side of a pause of two years", async () => {
    const long = Date.UTC(2024, 1, 29, 23, 59) / 1000;
    const { fetch, asked } = store(long, long - 60);
    const page = await loadBefore(fetch, "1m", NOW, 1000);
    expect(times(page.bars)).toEqual([long - 60, long]);
    expect(asked).toEqual(["1m", "1M", "1d", "1h", "1m"]);
  });

  it("knows the start of history after one more request when nothing was ever traded", async () => {
    const { fetch, asked } = store();
    expect(await loadBefore(fetch, "1m", NOW, 1000)).toEqual({ bars: [], atStart: true });
    expect(asked).toEqual(["1m", "1M"]);
  });

  it("is not taken in by coarse candles that hold only what is newer", async () => {
    const { fetch } = store(NOW, NOW + 60);
    expect(await loadBefore(fetch, "1m", NOW, 1000)).toEqual({ bars: [], atStart: true });
  });

  it("finds what is older although the same month, day and hour hold something newer", async () => {
    for (const ago of [30 * 60, 5 * 3_600, 3 * 86_400, 40 * 86_400, 400 * 86_400]) {
      const { fetch } = store(NOW + 60 - ago, NOW + 60, NOW + 120);
      const page = await loadBefore(fetch, "1s", NOW + 60, 10);
      expect(times(page.bars)).toEqual([NOW + 60 - ago]);
    }
  });

  it.each(KNOWN_INTERVALS)("never asks for more than 1000 buckets of %s, nor before 1970", async (interval) => {
    const { fetch } = store(Date.UTC(1999, 5) / 1000);
    const page = await loadBefore(fetch, interval, NOW, 1000);
    expect(page.bars).toHaveLength(1);
  });

  it("stops where fine candles have been dropped but coarse ones are kept", async () => {
    const coarse = store(NOW - 90 * 86_400);
    const fetch: typeof coarse.fetch = async (interval, start, end) =>
      interval === "1s" ? [] : coarse.fetch(interval, start, end);
    expect(await loadBefore(fetch, "1s", NOW, 1000)).toEqual({ bars: [], atStart: true });
  });
});

describe("buckets", () => {
  it("start weeks on Monday and months on the first", () => {
    const thursday = Date.UTC(2026, 0, 1) / 1000;
    expect(new Date(floorTo("1w", thursday) * 1000).toISOString()).toBe("2025-12-29T00:00:00.000Z");
    expect(new Date(floorTo("1M", thursday + 86_400 * 20) * 1000).toISOString()).toBe("2026-01-01T00:00:00.000Z");
    expect(new Date(move("1M", thursday, -1) * 1000).toISOString()).toBe("2025-12-01T00:00:00.000Z");
  });
});
