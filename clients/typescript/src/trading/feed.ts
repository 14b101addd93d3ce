/** One user's trading, live: the hub's channel folded into a state, REST while the hub is gone. */

import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import type { Connection } from "../connection.ts";
import { whileDown } from "../fallback.ts";
import type { ErrorMessage } from "../messages.ts";
import { Listeners } from "../status.ts";
import type { TradingApi } from "./api.ts";
import { EMPTY, reduce, type TradingEvent, type TradingState } from "./state.ts";
import type { UserMessage } from "./types.ts";

export interface TradingFeedOptions {
  /** Asked every 60 s while the hub is gone. */
  readonly api?: Pick<TradingApi, "bots" | "orders" | "logs" | "portfolio">;
  readonly clock?: Clock;
}

export class TradingFeed {
  private current: TradingState = EMPTY;
  private refusal: ErrorMessage | null = null;
  private readonly watchers = new Listeners<[TradingState]>();
  private readonly hearers = new Listeners<[UserMessage]>();
  private readonly renewals = new Listeners<[]>();
  private followers = 0;
  private ends: (() => void)[] = [];
  /** Counts starts: what an earlier one asked for comes too late. */
  private round = 0;

  constructor(
    private readonly connection: Pick<Connection, "subscribe" | "watch">,
    private readonly options: TradingFeedOptions = {},
  ) {}

  /** The state now; the same object until something changes. */
  get state(): TradingState {
    return this.current;
  }

  /** Why the hub does not let this user in; null if it does, or has not said. */
  get error(): ErrorMessage | null {
    return this.refusal;
  }

  /** Call `watcher` whenever the state changes, and keep it live until the answer is called. */
  watch(watcher: (state: TradingState) => void): () => void {
    return this.follow(this.watchers.add(watcher));
  }

  /** Call `hearer` with each change, once, in order; not for what a snapshot replaces. */
  hear(hearer: (message: UserMessage) => void): () => void {
    return this.follow(this.hearers.add(hearer));
  }

  /** Call `hearer` whenever a snapshot has replaced the state: what is kept beside it may have holes now. */
  onRenewed(hearer: () => void): () => void {
    return this.renewals.add(hearer);
  }

  /** Forget everything: somebody else is signed in, or nobody. */
  clear(): void {
    this.round += 1;
    this.refusal = null;
    this.apply({ kind: "signedOut" });
  }

  /** Ask REST for everything now. Throws `ApiError`. */
  async refetch(): Promise<void> {
    const { api } = this.options;
    if (!api) return;
    const { round } = this;
    const { changedAt } = this.current;
    const [bots, pending, partly, logs, { balances }] = await Promise.all([
      api.bots(), api.orders({ status: "PENDING", limit: 500 }), api.orders({ status: "PARTIALLY_FILLED", limit: 500 }), api.logs({ limit: 50 }), api.portfolio(),
    ]);
    // What the hub has told meanwhile is newer, and in order.
    if (round !== this.round || changedAt !== this.current.changedAt) return;
    this.apply({ kind: "refetched", data: { bots, orders: [...partly.items, ...pending.items], logs: logs.items, balances } });
  }

  private follow(unlisten: () => void): () => void {
    this.followers += 1;
    if (this.followers === 1) this.start();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      unlisten();
      this.followers -= 1;
      if (this.followers === 0) this.stop();
    };
  }

  private start(): void {
    this.round += 1;
    const { clock = systemClock } = this.options;
    this.ends = [
      this.connection.subscribe(
        "user",
        (data) => {
          this.refusal = null;
          this.apply({ kind: "snapshot", data });
          this.renewals.call();
        },
        (message) => {
          this.apply({ kind: "change", message });
          this.hearers.call(message);
        },
        (error) => {
          this.refusal = error;
          this.watchers.call(this.current);
        },
      ),
      whileDown(this.connection, () => void this.refetch().catch(() => {}), { clock }),
    ];
  }

  private stop(): void {
    this.round += 1;
    for (const end of this.ends) end();
    this.ends = [];
  }

  private apply(event: TradingEvent): void {
    const next = reduce(this.current, event);
    if (next === this.current) return;
    this.current = next;
    this.watchers.call(next);
  }
}
