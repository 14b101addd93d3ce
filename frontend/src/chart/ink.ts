/** How a chart writes what it shows: names, and figures by their precision. */

import { type MarketSymbol, pairOf } from "../state/config.ts";
import { compact, decimal, fixed } from "../state/format.ts";

export interface Ink {
  /** `BTC/USDT`. */
  readonly name: string;
  /** What volumes are counted in. */
  readonly unit: string;
  price(text: string): string;
  volume(text: string): string;
  /** On the axis, where prices are floats. */
  tick(price: number): string;
  volumeTick(volume: number): string;
  /** The least step between two prices. */
  readonly minMove: number;
}

export function inkOf(market: MarketSymbol): Ink {
  const { base, priceScale, sizeScale } = market;
  return {
    name: pairOf(market),
    unit: base,
    price: (text) => decimal(text, priceScale),
    volume: (text) => decimal(text, sizeScale),
    tick: (price) => fixed(price, priceScale),
    volumeTick: (volume) => compact(volume),
    minMove: 10 ** -priceScale,
  };
}
