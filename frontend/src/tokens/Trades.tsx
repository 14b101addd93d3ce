/** A token's trades as they happen, newest first: whoever watches sees the large ones. */

import type { Token, TokenTrade } from "@openoutcry/client";
import { useRef } from "preact/hooks";
import { Price } from "./Figure.tsx";
import { amountText, exactly, shortAddress } from "../state/ether.ts";
import { clockTime } from "../state/format.ts";
import type { TokenLive } from "../state/tokenLive.ts";
import { keyOf } from "../state/tokenTape.ts";

interface Props {
  readonly live: TokenLive;
  readonly token: Token;
  readonly dated: boolean;
}

export function Trades({ live, token, dated }: Props) {
  const trades = live.trades.value;
  return (
    <section class="tape token-tape" aria-labelledby="tape-title" data-dated={dated} data-testid="tape">
      <h2 id="tape-title">Trades</h2>
      {trades === null || trades.length === 0 ? (
        <p class="tape-none">{trades === null ? "Waiting for trades…" : `No trades of ${token.symbol} yet.`}</p>
      ) : (
        <List live={live} trades={trades} symbol={token.symbol} />
      )}
    </section>
  );
}

interface ListProps {
  readonly live: TokenLive;
  readonly trades: readonly TokenTrade[];
  readonly symbol: string;
}

function List({ live, trades, symbol }: ListProps) {
  // What is no newer than what was there when the list was first drawn has not just happened.
  const newest = useRef(trades[0]?.blockNumber ?? 0);
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
                key={key} data-side={side} data-tx={txHash} data-new={trade.blockNumber > newest.current}
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
      <Older live={live} shown={trades.length} />
    </div>
  );
}

/** So many come from the hub; with fewer there are no others. */
const FIRST = 50;

function Older({ live, shown }: { readonly live: TokenLive; readonly shown: number }) {
  const older = live.older.value;
  if (older === "end" || shown < FIRST) return null;
  return (
    <p class="panel-more tape-more">
      {older === "error" && <span role="alert">They could not be loaded. </span>}
      <button type="button" class="text-button" disabled={older === "loading"} onClick={() => void live.loadOlder()}>
        {older === "loading" ? "Loading…" : older === "error" ? "Try again" : "Older trades"}
      </button>
    </p>
  );
}
