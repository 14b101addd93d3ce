/** The newest trades, newest first. */

import { type MarketSymbol, pairOf } from "../state/config.ts";
import { clockTime, decimal } from "../state/format.ts";
import type { Tape } from "../state/tape.ts";

interface Props {
  readonly tape: Tape;
  readonly market: MarketSymbol;
  readonly dated: boolean;
}

export function TradesTape({ tape, market, dated }: Props) {
  const trades = tape.trades.value;
  return (
    <section class="tape" aria-labelledby="tape-title" data-dated={dated} data-testid="tape">
      <h2 id="tape-title">Trades</h2>
      {trades === null || trades.length === 0 ? (
        <p class="tape-none">{trades === null ? "Waiting for trades…" : `No trades of ${pairOf(market)} yet.`}</p>
      ) : (
        <div class="tape-scroll" tabIndex={0} role="region" aria-labelledby="tape-title">
          <table>
            <thead>
              <tr>
                <th scope="col">Price</th>
                <th scope="col">Size <span class="unit">{market.base}</span></th>
                <th scope="col">Time <span class="unit">UTC</span></th>
              </tr>
            </thead>
            <tbody>
              {trades.map((trade) => (
                <tr key={trade.id} data-side={trade.side}>
                  <td class={trade.side === "buy" ? "up" : "down"}>
                    <span class="sr-only">{trade.side} at </span>{decimal(trade.price, market.priceScale)}
                  </td>
                  <td>{decimal(trade.size, market.sizeScale)}</td>
                  <td>{clockTime(trade.time)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
