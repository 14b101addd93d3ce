/** Which tokens are listed, and in which order. Pure. */

import type { Token, TokenWindow } from "@openoutcry/client";

export const TOKEN_COLUMNS = ["name", "price", "volume24h", "volume7d", "volumeTotal", "marketCap", "holders", "trades", "progress", "age"] as const;
export type TokenColumn = (typeof TOKEN_COLUMNS)[number];

export interface TokenSort {
  readonly by: TokenColumn;
  readonly descending: boolean;
}

/** Names are read from A, ages from the youngest, numbers from the largest. */
export function firstTokenSort(by: TokenColumn): TokenSort {
  return { by, descending: by !== "name" && by !== "age" };
}

/** The list that has the tokens which come first in an order. The server knows no order by market cap. */
export function windowFor(by: TokenColumn): TokenWindow {
  switch (by) {
    case "volume24h":
      return "24h";
    case "volume7d":
      return "7d";
    case "age":
      return "new";
    default:
      return "total";
  }
}

const VALUES: Readonly<Record<Exclude<TokenColumn, "name">, (token: Token) => number>> = {
  price: ({ currentPrice }) => numberIn(currentPrice),
  volume24h: ({ volume24h }) => Number(volume24h),
  volume7d: ({ volume7d }) => Number(volume7d),
  volumeTotal: ({ volumeTotal }) => Number(volumeTotal),
  marketCap: ({ marketCap }) => numberIn(marketCap),
  holders: ({ holderCount }) => holderCount,
  trades: ({ tradeCount }) => tradeCount,
  progress: ({ progressPercent }) => progressPercent ?? NaN,
  // From the youngest: what was made last has the least age.
  age: ({ createdAt }) => (createdAt === null ? NaN : -createdAt),
};

/** Those that match, in order. What is not known comes last; of equal ones the one with more volume first. */
export function orderedTokens(tokens: Iterable<Token>, query: string, sort: TokenSort): readonly Token[] {
  const found = [...tokens].filter((token) => matches(token, query));
  const sign = sort.descending ? -1 : 1;
  const rest = (a: Token, b: Token): number => Number(b.volumeTotal) - Number(a.volumeTotal) || (a.address < b.address ? -1 : 1);
  if (sort.by === "name") return found.sort((a, b) => sign * a.name.localeCompare(b.name) || rest(a, b));
  const value = VALUES[sort.by];
  return found.sort((a, b) => {
    const left = value(a);
    const right = value(b);
    if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || rest(a, b);
    return sign * (left - right) || rest(a, b);
  });
}

/** By name, symbol, or the beginning of an address or a creator's. */
export function matches({ name, symbol, address, creator }: Token, query: string): boolean {
  const wanted = query.trim().toLowerCase();
  if (wanted === "") return true;
  if (wanted.startsWith("0x") && (address.startsWith(wanted) || creator.startsWith(wanted))) return true;
  return name.toLowerCase().includes(wanted) || symbol.toLowerCase().includes(wanted.replace(/^\$/, ""));
}

function numberIn(text: string | null): number {
  return text === null ? NaN : Number(text);
}
