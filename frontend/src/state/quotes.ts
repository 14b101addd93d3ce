/** The live quote of one symbol, and which way its price last moved. */

import type { Connection, Quote } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { coalesce } from "./coalesce.ts";

export type Direction = "up" | "down" | "flat";

export interface LiveQuote {
  readonly quote: Quote;
  readonly direction: Direction;
}

export interface QuoteFeed {
  /** Null until the first quote. */
  readonly quote: ReadonlySignal<LiveQuote | null>;
  stop(): void;
}

/** The next state; an unchanged price keeps the direction of its last move. */
export function next(previous: LiveQuote | null, quote: Quote): LiveQuote {
  if (!previous) return { quote, direction: "flat" };
  const moved = Number(quote.originalPrice) - Number(previous.quote.originalPrice);
  return { quote, direction: moved > 0 ? "up" : moved < 0 ? "down" : previous.direction };
}

export function followQuotes(connection: Connection, symbol: string): QuoteFeed {
  const shown = signal<LiveQuote | null>(null);
  let newest: Quote | null = null;
  const show = coalesce(50, () => {
    if (newest) shown.value = next(shown.value, newest);
  });
  const take = (quote: Quote | null): void => {
    if (!quote) return;
    newest = quote;
    show();
  };
  const unsubscribe = connection.subscribe(`price:${symbol}`, take, take);
  return {
    quote: shown,
    stop() {
      unsubscribe();
      show.cancel();
    },
  };
}
