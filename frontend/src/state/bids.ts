/** The live bids of the markets that bots hold something of. */

import type { Connection } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { coalesce } from "./coalesce.ts";

export class Bids {
  private readonly bids = new Map<string, string>();
  private readonly stops = new Map<string, () => void>();
  private readonly shown = signal(0);
  private readonly show = coalesce(200, () => void (this.shown.value += 1));

  constructor(private readonly connection: Connection) {}

  /** Counts up when bids have changed, five times a second at most. */
  get revision(): ReadonlySignal<number> {
    return this.shown;
  }

  of(symbol: string): string | null {
    return this.bids.get(symbol) ?? null;
  }

  /** Follow these and no others. */
  follow(symbols: ReadonlySet<string>): void {
    for (const [symbol, stop] of this.stops) {
      if (symbols.has(symbol)) continue;
      stop();
      this.stops.delete(symbol);
      this.bids.delete(symbol);
    }
    for (const symbol of symbols) {
      if (this.stops.has(symbol)) continue;
      const take = (quote: { readonly bidPrice: string } | null): void => {
        if (!quote) return;
        this.bids.set(symbol, quote.bidPrice);
        this.show();
      };
      this.stops.set(symbol, this.connection.subscribe(`price:${symbol}`, take, take));
    }
  }

  stop(): void {
    this.follow(new Set());
    this.show.cancel();
  }
}
