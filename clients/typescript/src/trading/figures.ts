/** How an account does: what it holds, what it has earned, and how that came about. */

import { isDecimal } from "../decimal.ts";
import { type Balance, isBalance, isListOf } from "./types.ts";

export interface Portfolio {
  readonly balances: readonly Balance[];
  readonly kill_switch: boolean;
  /** In the quote asset that the account counts in. */
  readonly equity?: string | null;
}

export interface Analytics {
  readonly realized_pnl: string;
  readonly fees: string;
  readonly pnl: string;
  readonly total_trades: number;
  readonly win_rate: string | null;
}

export interface EquityPoint {
  /** ISO 8601 UTC. */
  readonly time: string;
  readonly equity: string;
  readonly pnl?: string;
}

export interface EquityCurve {
  readonly points: readonly EquityPoint[];
}

export function isPortfolio(data: unknown): data is Portfolio {
  return isFields(data) && isListOf(data.balances, isBalance) && typeof data.kill_switch === "boolean";
}

export function isAnalytics(data: unknown): data is Analytics {
  return isFields(data) && [data.realized_pnl, data.fees, data.pnl].every(isDecimal) && typeof data.total_trades === "number";
}

export function isEquityCurve(data: unknown): data is EquityCurve {
  return isFields(data) && isListOf(data.points, isPoint);
}

function isPoint(data: unknown): data is EquityPoint {
  return isFields(data) && typeof data.time === "string" && isDecimal(data.equity);
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
