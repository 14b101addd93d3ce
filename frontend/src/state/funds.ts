/** Paper money in and out: what is typed, what is wrong with it, what is sent. Exact; pure. */

import { type Balance, decimal } from "@openoutcry/client";

export interface FundsValues {
  readonly asset: string;
  readonly way: "in" | "out";
  /** As typed. */
  readonly amount: string;
}

/** As the server has it: fifteen digits before the point, eighteen after it. */
const FORM = /^\d{1,15}(?:\.\d{1,18})?$/;

/** Why this cannot be sent; null if it can. */
export function fundsProblem({ way, amount }: FundsValues, free: string): string | null {
  const typed = amount.trim();
  if (typed === "") return "How much?";
  if (typed.startsWith("-")) return "Without a sign: choose above whether it comes in or goes out.";
  const text = amountOf(typed);
  if (!/^\d*\.?\d*$/.test(typed) || !/\d/.test(typed)) return "A number such as 1000 or 0.25.";
  if (!FORM.test(text)) return "At most 15 digits before the point and 18 after it.";
  if (decimal.sign(text) === 0) return "More than 0.";
  if (way === "out" && decimal.compare(text, free) > 0) return "More than is free.";
  return null;
}

/** What is sent: negative where it goes out, every digit as typed. */
export function fundsAmount({ way, amount }: FundsValues): string {
  return `${way === "out" ? "-" : ""}${amountOf(amount.trim())}`;
}

/** What would be free afterwards; null while nothing sensible is typed. */
export function freeAfter(values: FundsValues, free: string): string | null {
  if (fundsProblem(values, free) !== null) return null;
  return decimal.add(free, fundsAmount(values));
}

export function freeOf(balances: readonly Balance[], asset: string): string {
  return balances.find((one) => one.asset === asset)?.free ?? "0";
}

/** What can be put in: the account's currency first, then what it has, then the rest by name. */
export function fundable(currency: string, traded: Iterable<string>, balances: readonly Balance[]): readonly string[] {
  const known = new Set([currency, ...traded]);
  const held = balances.filter((one) => known.has(one.asset) && decimal.sign(one.free) !== 0).map(({ asset }) => asset);
  return [...new Set([currency, ...held.sort(), ...[...known].sort()])];
}

/** `.5` and `5.` are numbers to people, but not to the server. */
function amountOf(typed: string): string {
  return typed.replace(/^\./, "0.").replace(/\.$/, "");
}
