/** How an account does: what it holds, what it has earned, and how that came about. Amounts in `currency`, exact. */

import { isDecimal } from "../decimal.ts";
import { type Balance, isBalance, isListOf, type Position } from "./types.ts";

export interface HeldAsset extends Balance {
  /** Of the last trade; null where nothing says. */
  readonly price: string | null;
  readonly value: string | null;
}

export interface HeldPosition extends Position {
  readonly bot_id: number;
  readonly bot_name: string;
  readonly ticker: string;
  readonly price: string | null;
  readonly value: string | null;
  readonly unrealized_pnl: string | null;
}

export interface Loan {
  readonly bot_id: number;
  readonly bot_name: string;
  readonly ticker: string;
  readonly asset: string;
  readonly amount: string;
}

export interface Portfolio {
  readonly currency: string;
  /** Balances less loans. */
  readonly equity: string;
  /** Assets that are not in it: nothing says what they are worth. */
  readonly unpriced: readonly string[];
  readonly kill_switch: boolean;
  readonly balances: readonly HeldAsset[];
  readonly positions: readonly HeldPosition[];
  readonly loans: readonly Loan[];
}

/** Sums are of the bots that trade for `currency`, deleted ones too. */
export interface Summary {
  readonly currency: string;
  readonly equity: string;
  /** Realised less fees. */
  readonly pnl: string;
  readonly realized_pnl: string;
  /** At the last trades; null if one is not known. */
  readonly unrealized_pnl: string | null;
  readonly fees: string;
  /** Percent; null before anything was closed. */
  readonly win_rate: string | null;
  readonly total_trades: number;
  readonly bots: number;
  readonly active_bots: number;
  readonly open_orders: number;
  readonly other_tickers: readonly string[];
}

/** What had been earned up to a fill. */
export interface PnlPoint {
  readonly time: string;
  readonly pnl: string;
  readonly realized_pnl: string;
  readonly fees: string;
  readonly total_trades: number;
}

/** A sample of the equity: of the account, or what a bot has made of it. */
export interface EquityPoint {
  readonly time: string;
  readonly equity: string;
  readonly unrealized_pnl: string;
}

export interface Curve {
  readonly bot_id: number | null;
  readonly currency: string;
  readonly start: string;
  readonly end: string;
  /** Ascending, at fills. */
  readonly points: readonly PnlPoint[];
  /** Ascending, as sampled. */
  readonly equity: readonly EquityPoint[];
}

export function isPortfolio(data: unknown): data is Portfolio {
  return (
    isFields(data) && isDecimal(data.equity) && typeof data.currency === "string" && typeof data.kill_switch === "boolean" &&
    isListOf(data.balances, isBalance) && Array.isArray(data.positions) && Array.isArray(data.loans)
  );
}

export function isSummary(data: unknown): data is Summary {
  return isFields(data) && [data.equity, data.realized_pnl, data.fees, data.pnl].every(isDecimal) && typeof data.total_trades === "number";
}

export function isCurve(data: unknown): data is Curve {
  return isFields(data) && typeof data.currency === "string" && isListOf(data.points, isPnlPoint) && isListOf(data.equity, isEquityPoint);
}

function isPnlPoint(data: unknown): data is PnlPoint {
  return isFields(data) && typeof data.time === "string" && isDecimal(data.pnl);
}

function isEquityPoint(data: unknown): data is EquityPoint {
  return isFields(data) && typeof data.time === "string" && isDecimal(data.equity);
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
