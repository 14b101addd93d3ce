/** All markets by symbol, as they are now. Pure: lists and changes in, rows out. */

import type { Market, TickerUpdate } from "@openoutcry/client";

/**
 * One market. The same object for as long as the market is there, changed in place: thousands change
 * every second, and only the few on the screen need to be looked at. `rev` counts the changes.
 */
export interface Row {
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  price: string;
  high: string;
  low: string;
  carried: boolean;
  sparkline: readonly number[] | null;
  /** As floats, for order and for figures that are shown rounded; NaN where not known. */
  last: number;
  change: number;
  volume: number;
  highest: number;
  lowest: number;
  /** As many digits after the point as any of its prices has had, so that columns keep still. */
  digits: number;
  /** Which way the price last moved, and when, in ms. */
  moved: "up" | "down" | null;
  movedAt: number;
  rev: number;
}

export class Board {
  private readonly bySymbol = new Map<string, Row>();

  get size(): number {
    return this.bySymbol.size;
  }

  rows(): IterableIterator<Row> {
    return this.bySymbol.values();
  }

  get(symbol: string): Row | undefined {
    return this.bySymbol.get(symbol);
  }

  has(row: Row): boolean {
    return this.bySymbol.get(row.symbol) === row;
  }

  /**
   * Take a whole list: what is not in it is gone. A list without a market's line does not take away the
   * line that is known: the hub's list has none.
   */
  replace(markets: readonly Market[], now: number): void {
    const listed = new Set<string>();
    for (const market of markets) {
      listed.add(market.symbol);
      const row = this.bySymbol.get(market.symbol);
      if (row) change(row, { ...market, sparkline: market.sparkline ?? row.sparkline }, now);
      else this.bySymbol.set(market.symbol, create(market, now));
    }
    for (const symbol of this.bySymbol.keys()) if (!listed.has(symbol)) this.bySymbol.delete(symbol);
  }

  /** Take what changed. A symbol that is not on the board is left out until a list has told what it is. */
  update(updates: readonly TickerUpdate[], now: number): void {
    for (const update of updates) {
      const row = this.bySymbol.get(update.symbol);
      if (row) change(row, update, now);
    }
  }
}

function create(market: Market, now: number): Row {
  const { symbol, base, quote } = market;
  const row: Row = {
    symbol, base, quote, price: "", high: "", low: "", carried: false, sparkline: null,
    last: NaN, change: NaN, volume: NaN, highest: NaN, lowest: NaN, digits: 0, moved: null, movedAt: 0, rev: 0,
  };
  change(row, market, now);
  return row;
}

function change(row: Row, update: TickerUpdate, now: number): void {
  if (update.price !== undefined && update.price !== row.price) {
    const last = Number(update.price);
    if (last !== row.last && !Number.isNaN(row.last)) {
      row.moved = last > row.last ? "up" : "down";
      row.movedAt = now;
    }
    row.price = update.price;
    row.last = last;
    row.digits = Math.max(row.digits, digitsOf(update.price));
  }
  if (update.high !== undefined && update.high !== row.high) {
    row.high = update.high;
    row.highest = Number(update.high);
    row.digits = Math.max(row.digits, digitsOf(update.high));
  }
  if (update.low !== undefined && update.low !== row.low) {
    row.low = update.low;
    row.lowest = Number(update.low);
    row.digits = Math.max(row.digits, digitsOf(update.low));
  }
  if (update.changePercent !== undefined) row.change = Number(update.changePercent);
  if (update.quoteVolume !== undefined) row.volume = Number(update.quoteVolume);
  if (update.carried !== undefined) row.carried = update.carried;
  if (update.sparkline !== undefined) row.sparkline = update.sparkline;
  row.rev += 1;
}

/** How many digits after the point mean something: `"61837.63000000"` has two. */
export function digitsOf(decimal: string): number {
  const point = decimal.indexOf(".");
  if (point < 0) return 0;
  let end = decimal.length;
  while (end > point + 1 && decimal[end - 1] === "0") end -= 1;
  return end - point - 1;
}
