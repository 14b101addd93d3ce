/** The columns of the list. */

import type { Column } from "../state/order.ts";

export interface Head {
  readonly by: Column;
  readonly label: string;
  readonly title?: string;
}

export const HEADS: readonly Head[] = [
  { by: "symbol", label: "Market" },
  { by: "price", label: "Price" },
  { by: "change", label: "24 h change" },
  { by: "volume", label: "24 h volume", title: "In the quote asset; sorted by its worth in USDT where a price tells it" },
  { by: "high", label: "24 h high" },
  { by: "low", label: "24 h low" },
  { by: "trend", label: "Last 24 h" },
];
