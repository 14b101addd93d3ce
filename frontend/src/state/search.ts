/** Symbol search: what starts with the letters first, then what contains them. */

import type { MarketSymbol } from "./config.ts";

export function matching(symbols: readonly MarketSymbol[], query: string): readonly MarketSymbol[] {
  const wanted = query.toUpperCase().replace(/[^A-Z0-9]/g, "");
  if (wanted === "") return query.trim() === "" ? symbols : [];
  const starts = symbols.filter(({ symbol }) => symbol.toUpperCase().startsWith(wanted));
  const contains = symbols.filter(({ symbol }) => symbol.toUpperCase().includes(wanted) && !starts.some((one) => one.symbol === symbol));
  return [...starts, ...contains];
}
