/** What a ticker is made of, by what the server offers. */

import type { Config, MarketSymbol } from "./config.ts";

const QUOTES = ["USDT", "USDC", "FDUSD", "BUSD", "EUR", "TRY", "BTC", "ETH", "BNB"];

/** The market of a ticker; one that is not recorded here is split by the quote assets that everybody knows. */
export function marketOf(config: Config, ticker: string): MarketSymbol {
  const known = config.symbols.find(({ symbol }) => symbol === ticker);
  if (known) return known;
  const quote = QUOTES.find((asset) => ticker.endsWith(asset) && ticker.length > asset.length) ?? "";
  return { symbol: ticker, base: ticker.slice(0, ticker.length - quote.length), quote, priceScale: 2, sizeScale: 0 };
}
