/** The newest trades of one token. Pure: what there was, what is new and what never was in; a list out. */

import type { TokenTrade } from "@openoutcry/client";

/** So many are kept. */
export const MOST_TRADES = 200;
/** So many, once older ones have been asked for. */
export const MOST_OLDER = 1_000;

/** What tells two trades apart: a transaction that comes back in another block is another trade. */
export function keyOf({ blockHash, logIndex }: TokenTrade): string {
  return `${blockHash}:${logIndex}`;
}

/** Newest first, each once, without those of the blocks in `undone`; of too many the oldest go. */
export function withTrades(
  list: readonly TokenTrade[], fresh: readonly TokenTrade[], undone: readonly string[] = [], most = MOST_TRADES,
): readonly TokenTrade[] {
  const gone = new Set(undone);
  const left = gone.size === 0 ? list : list.filter(({ blockHash }) => !gone.has(blockHash));
  const known = new Set(left.map(keyOf));
  const added = fresh.filter((trade) => !known.has(keyOf(trade)) && known.add(keyOf(trade)));
  if (added.length === 0) return left;
  return [...added, ...left].sort((a, b) => b.blockNumber - a.blockNumber || b.logIndex - a.logIndex).slice(0, most);
}
