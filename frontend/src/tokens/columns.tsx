/** The columns of the list of tokens. */

import type { Token } from "@openoutcry/client";
import { Avatar } from "./Avatar.tsx";
import { Amount, Price } from "./Figure.tsx";
import { Progress } from "./Progress.tsx";
import type { TableColumn } from "../app/Table.tsx";
import { inDays, stamp } from "../state/times.ts";
import type { Move, TokenFeed } from "../state/tokenFeed.ts";

export function columns(feed: TokenFeed): readonly TableColumn<Token>[] {
  const now = feed.now.value;
  return [
    { id: "rank", label: "#", cell: (_, index) => index + 1 },
    {
      id: "name", label: "Token", sorts: true,
      cell: ({ address, name, symbol }) => (
        <a class="token-name" href={`#token/${address}`} title={address} tabIndex={-1}>
          <Avatar address={address} symbol={symbol} />
          <span><b>{name}</b> <span class="ticker">{symbol}</span></span>
        </a>
      ),
    },
    {
      id: "price", label: "Price", title: "In ether, of the last trade", sorts: true,
      cell: ({ address, currentPrice, tradeCount }) => <span class={flash(feed.moveOf(address), tradeCount)}><Price value={currentPrice} /></span>,
    },
    { id: "volume24h", label: "24 h volume", title: "Bought and sold for in the last 24 hours, exact to the trade", sorts: true, cell: ({ volume24h }) => <Amount value={volume24h} /> },
    { id: "volume7d", label: "7 d volume", sorts: true, cell: ({ volume7d }) => <Amount value={volume7d} /> },
    { id: "marketCap", label: "Market cap", title: "The price times what circulates", sorts: true, cell: ({ marketCap }) => <Amount value={marketCap} /> },
    { id: "holders", label: "Holders", sorts: true, cell: ({ holderCount }) => holderCount.toLocaleString() },
    { id: "trades", label: "Trades", sorts: true, cell: ({ tradeCount }) => tradeCount.toLocaleString() },
    { id: "progress", label: "Progress", title: "How much of the curve's target has been raised", sorts: true, cell: (token) => <Progress token={token} /> },
    {
      id: "age", label: "Age", sorts: true,
      cell: ({ createdAt }) => (createdAt === null ? <span class="none">—</span> : <span title={`${stamp(new Date(createdAt).toISOString())} UTC`}>{inDays(now - createdAt)}</span>),
    },
  ];
}

/** Two names for the same animation: a second move in the same direction has to start it anew. */
function flash(move: Move | null, count: number): string {
  return move === null ? "flash" : `flash flash-${move.direction} ${count % 2 === 0 ? "even" : "odd"}`;
}
