/** The REST side of trading: bots, orders, fills, logs, analytics, the portfolio and the kill switch. */

import type { Credentials } from "../credentials.ts";
import { ApiError, type JsonRequest, type RequestOptions } from "../rest.ts";
import { isAnalytics, isEquityCurve, isPortfolio, type Analytics, type EquityCurve, type Portfolio } from "./figures.ts";
import { isStrategy, type Strategy } from "./strategies.ts";
import {
  type Bot, type BotStatus, type Fill, isBot, isFill, isListOf, isLog, isOrder, type Limits, type LogEntry, type LogLevel, type Order, type OrderStatus,
} from "./types.ts";

/** What a bot is made of. Amounts as decimal strings. */
export interface BotDraft {
  readonly name: string;
  readonly strategy: string;
  readonly exchange: string;
  readonly ticker: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly limits?: Partial<Limits>;
  readonly leverage?: string;
  readonly status?: Exclude<BotStatus, "ERROR">;
}

/** A part of a list, newest first. `next` goes into `before` for the part after it; null at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: number | null;
}

export interface ListQuery extends RequestOptions {
  readonly bot_id?: number;
  readonly limit?: number;
  readonly before?: number;
  /** ISO 8601, from this on. */
  readonly from?: string;
  /** ISO 8601, before this. */
  readonly to?: string;
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** Every method throws `ApiError` and nothing else. */
export class TradingApi {
  constructor(private readonly credentials: Pick<Credentials, "request">) {}

  async strategies(options: RequestOptions = {}): Promise<readonly Strategy[]> {
    return listIn(await this.get("/api/v1/strategies", {}, options), "strategies", isStrategy);
  }

  async bots(options: RequestOptions = {}): Promise<readonly Bot[]> {
    return this.all("/api/v1/bots", "bots", isBot, options);
  }

  async bot(id: number, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.get(`/api/v1/bots/${id}`, {}, options), isBot, "bot");
  }

  async createBot(draft: BotDraft, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.send("POST", "/api/v1/bots", draft, options), isBot, "bot");
  }

  /** What is not named stays as it is; `parameters` are replaced whole. */
  async updateBot(id: number, change: Partial<BotDraft>, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.send("PATCH", `/api/v1/bots/${id}`, change, options), isBot, "bot");
  }

  async deleteBot(id: number, options: RequestOptions = {}): Promise<void> {
    await this.send("DELETE", `/api/v1/bots/${id}`, undefined, options);
  }

  /** Start it if it is stopped, stop it if it runs. */
  async toggleBot(id: number, options: RequestOptions = {}): Promise<Bot> {
    return checked(await this.send("POST", `/api/v1/bots/${id}/toggle`, undefined, options), isBot, "bot");
  }

  async orders({ status, ...query }: ListQuery & { readonly status?: OrderStatus } = {}): Promise<Page<Order>> {
    return this.page("/api/v1/orders", "orders", isOrder, query, { status });
  }

  async cancelOrder(clientOrderId: string, options: RequestOptions = {}): Promise<void> {
    await this.send("POST", `/api/v1/orders/${encodeURIComponent(clientOrderId)}/cancel`, undefined, options);
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

  async analytics(options: RequestOptions & { readonly bot_id?: number } = {}): Promise<Analytics> {
    const { bot_id, ...rest } = options;
    return checked(await this.get("/api/v1/analytics/summary", { bot_id }, rest), isAnalytics, "figures");
  }

  async equity({ from, to, bot_id, ...options }: Pick<ListQuery, "from" | "to" | "bot_id"> & RequestOptions = {}): Promise<EquityCurve> {
    return checked(await this.get("/api/v1/analytics/equity", { from, to, bot_id }, options), isEquityCurve, "equity curve");
  }

  /** Stop all bots and cancel all orders until it is off again. */
  async setKillSwitch(on: boolean, options: RequestOptions = {}): Promise<void> {
    await this.send("PUT", "/api/v1/portfolio/kill-switch", { on }, options);
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

  private async all<T>(path: string, name: string, holds: (item: unknown) => item is T, options: RequestOptions): Promise<readonly T[]> {
    const items: T[] = [];
    for (let before: number | undefined; ; ) {
      const page = await this.page(path, name, holds, { ...options, ...(before !== undefined && { before }) });
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

function nextIn(body: unknown): number | null {
  const next = isFields(body) ? body.next : null;
  return typeof next === "number" ? next : null;
}

function checked<T>(body: unknown, holds: (item: unknown) => item is T, what: string): T {
  if (!holds(body)) throw new ApiError("malformed", `The server's answer is no ${what}.`);
  return body;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
