/** A token's trades as they happen, newest first: whoever watches sees the large ones. */

import type { Token, TokenTrade } from "@openoutcry/client";
import { useRef } from "preact/hooks";
import { Price } from "./Figure.tsx";
import { amountText, exactly, shortAddress } from "../state/ether.ts";
import { clockTime } from "../state/format.ts";
import { keyOf } from "../state/tokenTape.ts";

interface Props {
  readonly trades: readonly TokenTrade[] | null;
  readonly token: Token;
  readonly dated: boolean;
}

export function Trades({ trades, token, dated }: Props) {
  return (
    <section class="tape token-tape" aria-labelledby="tape-title" data-dated={dated} data-testid="tape">
      <h2 id="tape-title">Trades</h2>
      {trades === null || trades.length === 0 ? (
        <p class="tape-none">{trades === null ? "Waiting for trades…" : `No trades of ${token.symbol} yet.`}</p>
      ) : (
        <List trades={trades} symbol={token.symbol} />
      )}
    </section>
  );
}

function List({ trades, symbol }: { readonly trades: readonly TokenTrade[]; readonly symbol: string }) {
  // What was there when the list was first drawn has not just happened.
  const seen = useRef(new Set(trades.map(keyOf)));
  const most = Math.max(...trades.map(({ eth }) => Number(eth)));
  return (
    <div class="tape-scroll" tabIndex={0} role="region" aria-labelledby="tape-title">
      <table>
        <thead>
          <tr>
            <th scope="col"><span class="unit">ETH</span></th>
            <th scope="col"><span class="unit">{symbol}</span></th>
            <th scope="col">Price</th>
            <th scope="col">Time <span class="unit">UTC</span></th>
          </tr>
        </thead>
        <tbody>
          {trades.map((trade) => {
            const { side, eth, tokens, price, time, trader, txHash } = trade;
            const key = keyOf(trade);
            return (
              <tr
                key={key} data-side={side} data-tx={txHash} data-new={!seen.current.has(key)}
                // A large trade fills its row, a small one an edge of it: by the root, or all but one would be edges.
                style={{ "--share": `${Math.sqrt(most > 0 ? Number(eth) / most : 0) * 100}%` }}
                title={`${side === "buy" ? "Bought" : "Sold"} by ${shortAddress(trader)} in ${shortAddress(txHash)}`}
              >
                <td class={side === "buy" ? "up" : "down"} title={exactly(eth, "ETH")}><span class="sr-only">{side === "buy" ? "bought for " : "sold for "}</span>{amountText(eth)}</td>
                <td title={exactly(tokens, symbol)}>{amountText(tokens)}</td>
                <td><Price value={price} /></td>
                <td>{clockTime(time)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
