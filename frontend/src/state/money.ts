/** Amounts of money and shares of it, as people read them. */

import { decimal as exact } from "@openoutcry/client";
import { decimal } from "./format.ts";

/** Assets of which the second digit after the point is a cent. */
const CENTS = new Set(["USDT", "USDC", "FDUSD", "TUSD", "DAI", "USD", "EUR", "GBP", "TRY", "BRL", "JPY"]);

export function digitsOfAsset(asset: string): number {
  return CENTS.has(asset) ? 2 : 8;
}

/** `1,234.56`, rounded to what the asset is counted in. */
export function money(text: string, asset: string, locale?: string): string {
  const digits = digitsOfAsset(asset);
  return decimal(exact.rounded(text, digits), digits === 2 ? 2 : 0, locale).replace("-", "−");
}

/** `+12.30`, `−0.42`, `0.00`: a gain or a loss. */
export function gain(text: string, asset: string, locale?: string): string {
  const rounded = exact.rounded(text, digitsOfAsset(asset));
  return `${exact.sign(rounded) > 0 ? "+" : ""}${money(rounded, asset, locale)}`;
}

/** The class of a gain or a loss; none for nothing that would be seen. */
export function toneOf(text: string, asset: string): "up" | "down" | "" {
  const sign = exact.sign(exact.rounded(text, digitsOfAsset(asset)));
  return sign > 0 ? "up" : sign < 0 ? "down" : "";
}
