/** What somebody does to bots and orders, with an answer in words. The page changes when the hub tells of it. */

import { ApiError, type Bot, isUp, type Order } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Desk } from "./desk.ts";

export class Actions {
  private readonly busyKeys = signal<ReadonlySet<string>>(new Set());

  constructor(private readonly desk: Pick<Desk, "trading" | "hub" | "say">) {}

  /** `bot:<id>` and `order:<id>` of what is being done something to. */
  get busy(): ReadonlySignal<ReadonlySet<string>> {
    return this.busyKeys;
  }

  async toggle(bot: Bot): Promise<void> {
    const { api } = this.desk.trading;
    await this.attempt(`bot:${bot.id}`, () => (bot.status === "ACTIVE" ? api.stopBot(bot.id) : api.startBot(bot.id)));
  }

  /** Answers whether it is done. `real`: that the copy trades with real money is meant. */
  async clone(bot: Bot, real = false): Promise<boolean> {
    const made = await this.attempt(`bot:${bot.id}`, () => this.desk.trading.api.cloneBot(bot.id, real ? { live: true } : {}));
    if (made) this.desk.say(`“${made.name}” is there, stopped.`);
    return made !== null;
  }

  async close(bot: Bot): Promise<boolean> {
    return (await this.attempt(`bot:${bot.id}`, () => this.desk.trading.api.closePosition(bot.id))) !== null;
  }

  async cancel(order: Order): Promise<void> {
    await this.attempt(`order:${order.client_order_id}`, () => this.desk.trading.api.cancelOrder(order.client_order_id));
  }

  /** Ask for everything where the hub cannot tell of it. */
  async catchUp(): Promise<void> {
    if (!isUp(this.desk.hub.connection.status.state)) await this.desk.trading.feed.refetch().catch(() => {});
  }

  private async attempt<T>(key: string, task: () => Promise<T>): Promise<T | null> {
    if (this.busyKeys.peek().has(key)) return null;
    this.busyKeys.value = new Set([...this.busyKeys.peek(), key]);
    try {
      const done = await task();
      await this.catchUp();
      return done;
    } catch (error) {
      this.desk.say(inWords(error));
      return null;
    } finally {
      this.busyKeys.value = new Set([...this.busyKeys.peek()].filter((other) => other !== key));
    }
  }
}

export function inWords(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something unexpected went wrong.";
}
