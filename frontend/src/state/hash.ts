/** The address bar remembers what is shown: `#BTCUSDT/15m`. */

export interface View {
  readonly symbol: string;
  readonly interval: string;
}

/** Read a hash; what is missing or not offered is replaced by the first symbol, or one minute. */
export function readHash(hash: string, symbols: readonly string[], intervals: readonly string[]): View {
  const [symbol = "", interval = ""] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  return {
    symbol: symbols.find((name) => name === symbol.toUpperCase()) ?? symbols[0] ?? "",
    interval: intervals.includes(interval) ? interval : intervals.includes("1m") ? "1m" : (intervals[0] ?? "1m"),
  };
}

export function writeHash(view: View): string {
  return `#${encodeURIComponent(view.symbol)}/${view.interval}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
