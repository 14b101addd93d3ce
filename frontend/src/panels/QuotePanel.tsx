/** Last, bid and ask of the selected symbol, as they change. */

import { Amount } from "./Amount.tsx";
import { type MarketSymbol, pairOf } from "../state/config.ts";
import { fixed } from "../state/format.ts";
import type { Direction, QuoteFeed } from "../state/quotes.ts";

interface Props {
  readonly feed: QuoteFeed;
  readonly market: MarketSymbol;
  /** The numbers may be old: they are shown, but faded. */
  readonly dated: boolean;
}

const ARROWS: Record<Direction, string> = { up: "▲", down: "▼", flat: "" };
const WORDS: Record<Direction, string> = { up: "rising", down: "falling", flat: "" };

export function QuotePanel({ feed, market, dated }: Props) {
  const live = feed.quote.value;
  if (!live) return <EmptyQuote market={market} />;
  const { quote, direction } = live;
  const digits = market.priceScale;
  return (
    <section class="quote" aria-label={`Quote of ${pairOf(market)}`} data-dated={dated} data-testid="quote">
      <p class={`last ${direction}`} data-direction={direction} data-testid="last">
        <span class="sr-only">Last price {WORDS[direction]} </span>
        <Amount text={quote.originalPrice} digits={digits} />
        <span class="arrow" aria-hidden="true">{ARROWS[direction]}</span>
      </p>
      <dl class="sides">
        <div><dt>Bid</dt><dd data-testid="bid"><Amount text={quote.bidPrice} digits={digits} /></dd></div>
        <div><dt>Ask</dt><dd data-testid="ask"><Amount text={quote.askPrice} digits={digits} /></dd></div>
        <div class="spread"><dt>Spread</dt><dd>{spread(quote.bidPrice, quote.askPrice)}</dd></div>
      </dl>
    </section>
  );
}

function EmptyQuote({ market }: { market: MarketSymbol }) {
  return (
    <section class="quote" aria-label={`Quote of ${pairOf(market)}`} data-testid="quote">
      <p class="last none" data-testid="last">—</p>
      <dl class="sides">
        {["Bid", "Ask", "Spread"].map((name) => <div key={name} class={name.toLowerCase()}><dt>{name}</dt><dd>—</dd></div>)}
      </dl>
    </section>
  );
}

function spread(bid: string, ask: string): string {
  const low = Number(bid);
  const high = Number(ask);
  const middle = (low + high) / 2;
  return middle > 0 ? `${fixed(((high - low) / middle) * 100, 2)} %` : "—";
}
