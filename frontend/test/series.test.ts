import { describe, expect, it } from "vitest";
import { both, Series } from "../src/state/series.ts";
import { bar, times } from "./make.ts";

function seriesOf(...list: ReturnType<typeof bar>[]): Series {
  const series = new Series();
  series.mergePage(list);
  return series;
}

describe("live messages", () => {
  it("appends a newer bucket and touches only the tail", () => {
    const series = seriesOf(bar(60));
    expect(series.mergeLive(bar(120))).toEqual({ kind: "tail", from: 1 });
    expect(times(series.bars)).toEqual([60, 120]);
  });

  it("replaces the newest bucket in place: the last message wins", () => {
    const series = seriesOf(bar(60), bar(120, { close: "2" }));
    expect(series.mergeLive(bar(120, { close: "7" }))).toEqual({ kind: "tail", from: 1 });
    expect(series.at(120)?.close).toBe("7");
  });

  it("asks for a full redraw when an older bucket changes, and never updates it in place", () => {
    const series = seriesOf(bar(60), bar(120));
    expect(series.mergeLive(bar(60, { trades: 9 }))).toEqual({ kind: "all" });
    expect(series.at(60)?.trades).toBe(9);
  });

  it("inserts a late bucket where it belongs", () => {
    const series = seriesOf(bar(60), bar(180));
    expect(series.mergeLive(bar(120))).toEqual({ kind: "all" });
    expect(times(series.bars)).toEqual([60, 120, 180]);
  });

  it("does nothing for a repeated message", () => {
    expect(seriesOf(bar(60)).mergeLive(bar(60))).toEqual({ kind: "none" });
  });

  it("drops the oldest tenth past its limit", () => {
    const series = new Series(10);
    for (let time = 0; time < 11; time++) series.mergeLive(bar(time));
    expect(times(series.bars)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(series.isFull).toBe(true);
  });
});

describe("pages", () => {
  it("puts older bars before the newer ones, without doubles", () => {
    const series = seriesOf(bar(180), bar(240));
    expect(series.mergePage([bar(60), bar(120), bar(180)])).toEqual({ kind: "all" });
    expect(times(series.bars)).toEqual([60, 120, 180, 240]);
  });

  it("keeps the live row of a bucket over an older one that was still on its way", () => {
    const series = seriesOf(bar(60, { trades: 9, close: "new" }));
    expect(series.mergePage([bar(60, { trades: 4, close: "old" })])).toEqual({ kind: "none" });
    expect(series.at(60)?.close).toBe("new");
  });

  it("learns from a page that a bucket is complete, and does not unlearn it", () => {
    const series = seriesOf(bar(60, { complete: false }));
    series.mergePage([bar(60, { complete: true })]);
    series.mergePage([bar(60, { complete: false })]);
    expect(series.at(60)?.complete).toBe(true);
  });
});

describe("both", () => {
  it("is the wider of two changes", () => {
    expect(both({ kind: "none" }, { kind: "tail", from: 3 })).toEqual({ kind: "tail", from: 3 });
    expect(both({ kind: "tail", from: 4 }, { kind: "tail", from: 3 })).toEqual({ kind: "tail", from: 3 });
    expect(both({ kind: "tail", from: 4 }, { kind: "all" })).toEqual({ kind: "all" });
  });
});
