/** Which markets are listed, and in which order. Pure. */

import type { Board, Row } from "./board.ts";

export const COLUMNS = ["symbol", "price", "change", "volume", "high", "low", "trend"] as const;
export type Column = (typeof COLUMNS)[number];

export interface Sort {
  readonly by: Column;
  readonly descending: boolean;
}

export interface Filter {
  readonly query: string;
  /** Only markets quoted in this asset; "" for all. */
  readonly quote: string;
  /** Only markets that are recorded here. */
  readonly recorded: boolean;
}

/** Names are read from A, numbers from the largest. */
export function firstSort(by: Column): Sort {
  return { by, descending: by !== "symbol" };
}

export function ordered(board: Board, filter: Filter, sort: Sort): Row[] {
  const wanted = filter.query.toUpperCase().replace(/[\s/_-]/g, "");
  const rows: Row[] = [];
  for (const row of board.rows()) {
    if (filter.recorded && !row.carried) continue;
    if (filter.quote !== "" && row.quote !== filter.quote) continue;
    if (wanted !== "" && !row.symbol.toUpperCase().includes(wanted)) continue;
    rows.push(row);
  }
  const byName = (a: Row, b: Row): number => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0);
  const sign = sort.descending ? -1 : 1;
  if (sort.by === "symbol") return rows.sort((a, b) => sign * byName(a, b));
  const value = valueOf(sort.by, board);
  const values = new Map(rows.map((row) => [row, value(row)]));
  return rows.sort((a, b) => {
    const left = values.get(a) as number;
    const right = values.get(b) as number;
    // What is not known comes last, whichever way the rest is sorted.
    if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || byName(a, b);
    return sign * (left - right) || byName(a, b);
  });
}

/** The quote assets, the one with the most markets first. */
export function quoteAssets(board: Board): readonly string[] {
  const counts = new Map<string, number>();
  for (const { quote } of board.rows()) counts.set(quote, (counts.get(quote) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([quote]) => quote);
}

/** How far the sparkline went, as a share; NaN where there is none. */
export function trendOf({ sparkline }: Pick<Row, "sparkline">): number {
  const first = sparkline?.[0];
  const last = sparkline?.at(-1);
  return first && last !== undefined ? last / first - 1 : NaN;
}

function valueOf(by: Exclude<Column, "symbol">, board: Board): (row: Row) => number {
  switch (by) {
    case "price":
      return (row) => row.last;
    case "change":
      return (row) => row.change;
    case "high":
      return (row) => row.highest;
    case "low":
      return (row) => row.lowest;
    case "trend":
      return trendOf;
    case "volume": {
      // A volume in rupiah and one in bitcoin compare by their worth only.
      const rates = new Map<string, number>();
      return (row) => {
        let rate = rates.get(row.quote);
        if (rate === undefined) rates.set(row.quote, (rate = worthOf(row.quote, board)));
        return row.volume * rate;
      };
    }
  }
}

const MONEY = "USDT";

/** What one of an asset is worth in USDT by the board's own prices; NaN if they do not tell. */
export function worthOf(asset: string, board: Board): number {
  if (asset === MONEY) return 1;
  const direct = board.get(asset + MONEY)?.last;
  if (direct !== undefined && direct > 0) return direct;
  const inverse = board.get(MONEY + asset)?.last;
  return inverse !== undefined && inverse > 0 ? 1 / inverse : NaN;
}
