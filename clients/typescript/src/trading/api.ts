/** The REST side of trading: bots, orders, fills, logs, analytics, the portfolio and the kill switch. */

import type { Credentials } from "../credentials.ts";
import { ApiError, type JsonRequest, type RequestOptions } from "../rest.ts";
import { type Curve, isCurve, isPortfolio, isSummary, type Portfolio, type Summary } from "./figures.ts";
import { isStrategy, type Strategy } from "./strategies.ts";
import {
  type Bot, type BotStatus, type Fill, isBot, isFill, isListOf, isLog, isOrder, type Limits, type LogEntry, type LogLevel, type Order, type OrderStatus,
} from "./types.ts";

/** What a bot is made of. Amounts as decimal strings. What is left out has the server's default. */
export interface BotDraft {
  readonly ticker: string;
  readonly name?: string;
  readonly strategy?: string;
  /** `paper`, or the name of an exchange. */
  readonly exchange?: string;
  /** Has to be true with any exchange but `paper`: real money. */
  readonly live?: boolean;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly limits?: Partial<Limits>;
  readonly leverage?: string;
  readonly status?: Exclude<BotStatus, "ERROR">;
}

/** Strategy, exchange and ticker of a bot stay. */
export type BotChange = Partial<Omit<BotDraft, "strategy" | "exchange" | "ticker">>;

/** A part of a list, newest first. `next` goes into `before` for the part after it; null at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface ListQuery extends RequestOptions {
  readonly bot_id?: number;
  /** 1 to 500. */
  readonly limit?: number;
  readonly before?: string;
  /** ISO 8601, from this on. */
  readonly from?: string;
  /** ISO 8601, before this. */
  readonly to?: string;
}

/** What a pull of the kill switch has ended; nothing if it was on already, or is reset. */
export interface KillSwitchResult {
  readonly on: boolean;
  readonly bots_stopped: number;
  /** Those at a live exchange are counted too; they are open until it has answered. */
  readonly orders_cancelled: number;
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** Every method throws `ApiError` and nothing else. */
export class TradingApi {
  constructor(private readonly credentials: Pick<Credentials, "request">) {}

  async strategies(options: RequestOptions = {}): Promise<readonly Strategy[]> {
    return listIn(await this.get("/api/v1/strategies", {}, options), "strategies", isStrategy);
  }

  async bots(options: RequestOptions = {}): Promise<readonly Bot[]> {
    return this.all("/api/v1/bots", "bots", isBot, { ...options, limit: 500 });
  }

  async bot(id: number, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.get(`/api/v1/bots/${id}`, {}, options), isBot, "bot");
  }

  async createBot(draft: BotDraft, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.send("POST", "/api/v1/bots", draft, options), isBot, "bot");
  }

  /** What is not named stays as it is, of `parameters` and `limits` too. */
  async updateBot(id: number, change: BotChange, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.send("PATCH", `/api/v1/bots/${id}`, change, options), isBot, "bot");
  }

  /** `parameters` and `limits` are replaced whole: what is not named there has its default again. */
  async replaceBot(id: number, change: BotChange & Required<Pick<BotChange, "parameters">>, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.send("PUT", `/api/v1/bots/${id}`, change, options), isBot, "bot");
  }

  /** Another one like it, stopped, with nothing earned yet; `change` is what is to be different. */
  async cloneBot(id: number, change: BotChange & Partial<Pick<BotDraft, "ticker">> = {}, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.send("POST", `/api/v1/bots/${id}/clone`, change, options), isBot, "bot");
  }

  async deleteBot(id: number, options: RequestOptions = {}): Promise<void> {
    await this.send("DELETE", `/api/v1/bots/${id}`, undefined, options);
  }

  /** Start it if it is stopped, stop it if it runs. */
  async toggleBot(id: number, options: RequestOptions = {}): Promise<Bot> {
    return this.tell(id, "toggle", options);
  }

  async startBot(id: number, options: RequestOptions = {}): Promise<Bot> {
    return this.tell(id, "start", options);
  }

  async stopBot(id: number, options: RequestOptions = {}): Promise<Bot> {
    return this.tell(id, "stop", options);
  }

  /** Stop it, and sell what it holds at the market. */
  async closePosition(id: number, options: RequestOptions = {}): Promise<Bot> {
    return this.tell(id, "close", options);
  }

  async orders({ status, ...query }: ListQuery & { readonly status?: OrderStatus } = {}): Promise<Page<Order>> {
    return this.page("/api/v1/orders", "orders", isOrder, query, { status });
  }

  /** Its bot is stopped: it would place the same order again. */
  async cancelOrder(clientOrderId: string, options: RequestOptions = {}): Promise<Order> {
    const path = `/api/v1/orders/${encodeURIComponent(clientOrderId)}/cancel`;
    return checked(await this.send("POST", path, undefined, options), isOrder, "order");
  }

  async fills(query: ListQuery = {}): Promise<Page<Fill>> {
    return this.page("/api/v1/fills", "fills", isFill, query);
  }

  async logs({ level, ...query }: ListQuery & { readonly level?: LogLevel } = {}): Promise<Page<LogEntry>> {
    return this.page("/api/v1/logs", "logs", isLog, query, { level });
  }

  async addLog(entry: Pick<LogEntry, "level" | "message"> & Partial<Pick<LogEntry, "bot_id">>, options: RequestOptions = {}): Promise<LogEntry> {
    return checked(await this.send("POST", "/api/v1/logs", entry, options), isLog, "log entry");
  }

  async portfolio(options: RequestOptions = {}): Promise<Portfolio> {
    return checked(await this.get("/api/v1/portfolio", {}, options), isPortfolio, "portfolio");
  }

  async summary(options: RequestOptions = {}): Promise<Summary> {
    return checked(await this.get("/api/v1/analytics/summary", {}, options), isSummary, "summary");
  }

  /** What was earned, and the equity, from the first fill until now unless said otherwise; of all bots or of one. */
  async curve({ from, to, bot_id, points, ...options }: Pick<ListQuery, "from" | "to" | "bot_id"> & RequestOptions & { readonly points?: number } = {}): Promise<Curve> {
    return checked(await this.get("/api/v1/analytics/pnl", { from, to, bot_id, points }, options), isCurve, "curve");
  }

  /** Put paper money in; take it out where the amount is negative. */
  async fund(asset: string, amount: string, options: RequestOptions = {}): Promise<Portfolio> {
    return checked(await this.send("POST", "/api/v1/portfolio/funds", { asset, amount }, options), isPortfolio, "portfolio");
  }

  /** On: stop every bot and cancel every order; none can be started until it is off again. */
  async setKillSwitch(on: boolean, options: RequestOptions = {}): Promise<KillSwitchResult> {
    return checked(await this.send("POST", "/api/v1/kill-switch", { on }, options), isKillSwitchResult, "kill switch");
  }

  private async tell(id: number, what: string, options: RequestOptions): Promise<Bot> {
    return checked(await this.send("POST", `/api/v1/bots/${id}/${what}`, undefined, options), isBot, "bot");
  }

  private get(path: string, query: Query, options: RequestOptions): Promise<unknown> {
    const known = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
    const text = known.length === 0 ? "" : `?${new URLSearchParams(known)}`;
    return this.credentials.request(`${path}${text}`, options);
  }

  private send(method: NonNullable<JsonRequest["method"]>, path: string, json: unknown, options: RequestOptions): Promise<unknown> {
    return this.credentials.request(path, { ...options, method, ...(json !== undefined && { json }) });
  }

  private async page<T>(
    path: string, name: string, holds: (item: unknown) => item is T, { bot_id, limit, before, from, to, ...options }: ListQuery, more: Query = {},
  ): Promise<Page<T>> {
    const body = await this.get(path, { bot_id, limit, before, from, to, ...more }, options);
    return { items: listIn(body, name, holds), next: nextIn(body) };
  }

  private async all<T>(path: string, name: string, holds: (item: unknown) => item is T, options: ListQuery): Promise<readonly T[]> {
    const items: T[] = [];
    for (let before: string | undefined; ; ) {
      const page: Page<T> = await this.page(path, name, holds, { ...options, ...(before !== undefined && { before }) });
      items.push(...page.items);
      if (page.next === null || page.next === before) return items;
      before = page.next;
    }
  }
}

function listIn<T>(body: unknown, name: string, holds: (item: unknown) => item is T): readonly T[] {
  const list = isFields(body) ? body[name] : undefined;
  if (!isListOf(list, holds)) throw new ApiError("malformed", `The server's answer holds no list of ${name}.`);
  return list;
}

function nextIn(body: unknown): string | null {
  const next = isFields(body) ? body.next : null;
  return typeof next === "string" ? next : null;
}

function isKillSwitchResult(body: unknown): body is KillSwitchResult {
  return isFields(body) && typeof body.on === "boolean" && typeof body.bots_stopped === "number" && typeof body.orders_cancelled === "number";
}

function checked<T>(body: unknown, holds: (item: unknown) => item is T, what: string): T {
  if (!holds(body)) throw new ApiError("malformed", `The server's answer is no ${what}.`);
  return body;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
