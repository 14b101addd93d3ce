/** The candles of one chart: ascending, one per bucket, merged from pages and live messages. */

import type { Bar } from "./bars.ts";

/**
 * What a merge did: `tail` changed nothing before index `from` and touched only the newest bar and
 * newer ones; `all` changed something older, so that the chart has to be given everything again.
 */
export type Change = { readonly kind: "none" } | { readonly kind: "tail"; readonly from: number } | { readonly kind: "all" };

const NONE: Change = { kind: "none" };
const ALL: Change = { kind: "all" };

export class Series {
  private list: Bar[] = [];

  /** `limit` bounds the memory of a tab that stays open; past it the oldest tenth is dropped. */
  constructor(private readonly limit = 20_000) {}

  get bars(): readonly Bar[] {
    return this.list;
  }

  get isFull(): boolean {
    return this.list.length >= this.limit;
  }

  /** Forget everything. */
  clear(): void {
    this.list = [];
  }

  /** A live message: the whole row as it is stored, so that the last one wins. */
  mergeLive(bar: Bar): Change {
    const last = this.list.at(-1);
    if (!last || bar.time > last.time) {
      this.list.push(bar);
      if (this.list.length > this.limit) {
        this.list = this.list.slice(Math.ceil(this.limit / 10));
        return ALL;
      }
      return { kind: "tail", from: this.list.length - 1 };
    }
    const at = this.indexAtOrAfter(bar.time);
    const old = this.list[at];
    if (old?.time === bar.time) {
      if (isSame(old, bar)) return NONE;
      this.list[at] = bar;
      return at === this.list.length - 1 ? { kind: "tail", from: at } : ALL;
    }
    this.list.splice(at, 0, bar);
    return ALL;
  }

  /**
   * A page over REST, ascending. It may have been on its way while newer live rows came in, so of
   * two versions of one bucket the one with more trades stays: rows only ever gain trades.
   */
  mergePage(page: readonly Bar[]): Change {
    if (page.length === 0) return NONE;
    const merged = new Map(this.list.map((bar) => [bar.time, bar]));
    let changed = false;
    for (const bar of page) {
      const old = merged.get(bar.time);
      if (old && (isSame(old, bar) || !isNewer(bar, old))) continue;
      merged.set(bar.time, bar);
      changed = true;
    }
    if (!changed) return NONE;
    this.list = [...merged.values()].sort((a, b) => a.time - b.time);
    return ALL;
  }

  /**
   * Everything from `time` on as it is stored now. Unlike elsewhere, rows may have lost trades, or be gone: a chain
   * can take blocks back.
   */
  replaceFrom(time: number, page: readonly Bar[]): Change {
    const at = this.indexAtOrAfter(time);
    const old = this.list.slice(at);
    const next = page.filter((bar) => bar.time >= time);
    const same = next.findIndex((bar, index) => !old[index] || bar.time !== old[index].time || !isSame(bar, old[index]));
    const kept = same < 0 ? next.length : same;
    if (kept === old.length && kept === next.length) return NONE;
    this.list = [...this.list.slice(0, at), ...next];
    const touched = at + kept;
    if (this.list.length > this.limit) {
      this.list = this.list.slice(Math.ceil(this.limit / 10));
      return ALL;
    }
    return touched >= at + old.length - 1 && next.length >= old.length ? { kind: "tail", from: touched } : ALL;
  }

  at(time: number): Bar | null {
    const bar = this.list[this.indexAtOrAfter(time)];
    return bar?.time === time ? bar : null;
  }

  /** The first index whose bar is not before `time`. */
  indexAtOrAfter(time: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.list[middle] as Bar).time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The change that two changes in a row amount to. */
export function both(first: Change, second: Change): Change {
  if (first.kind === "none") return second;
  if (second.kind === "none") return first;
  if (first.kind === "all" || second.kind === "all") return ALL;
  return { kind: "tail", from: Math.min(first.from, second.from) };
}

function isNewer(bar: Bar, old: Bar): boolean {
  return bar.trades === old.trades ? bar.complete || !old.complete : bar.trades > old.trades;
}

function isSame(a: Bar, b: Bar): boolean {
  return (
    a.trades === b.trades && a.complete === b.complete &&
    a.close === b.close && a.volume === b.volume && a.open === b.open && a.high === b.high && a.low === b.low
  );
}
