/** The newest trades of one token. Pure: what there was, what is new and what never was in; a list out. */

import type { TokenTrade } from "@openoutcry/client";

/** So many are kept. */
export const MOST_TRADES = 200;

/** What tells two trades apart: a transaction that comes back in another block is another trade. */
export function keyOf({ blockHash, logIndex }: TokenTrade): string {
  return `${blockHash}:${logIndex}`;
}

/** Newest first, each once, without those of the blocks in `undone`. */
export function withTrades(list: readonly TokenTrade[], fresh: readonly TokenTrade[], undone: readonly string[] = []): readonly TokenTrade[] {
  const gone = new Set(undone);
  const left = gone.size === 0 ? list : list.filter(({ blockHash }) => !gone.has(blockHash));
  const known = new Set(left.map(keyOf));
  const added = fresh.filter((trade) => !known.has(keyOf(trade)) && known.add(keyOf(trade)));
  if (added.length === 0) return left;
  return [...added, ...left].sort((a, b) => b.blockNumber - a.blockNumber || b.logIndex - a.logIndex).slice(0, MOST_TRADES);
}
