/** The signed-in user's trading, as signals: one feed for all pages, live for as long as somebody is signed in. */

import { EMPTY, type ErrorMessage, followSignIn, TradingApi, TradingFeed, type TradingState } from "@openoutcry/client";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { SignedIn } from "./account.ts";
import { Bids } from "./bids.ts";
import type { Hub } from "./hub.ts";

export class Trading {
  readonly api: TradingApi;
  readonly feed: TradingFeed;
  readonly bids: Bids;
  private readonly shown = signal<TradingState>(EMPTY);
  private readonly refused = signal<ErrorMessage | null>(null);
  /** Pages that show prices. */
  private readonly priced = signal(0);
  /** A market whose price is wanted although no bot trades there yet. */
  readonly alsoPriced = signal<string | null>(null);
  private readonly ends: readonly (() => void)[];

  constructor(signedIn: SignedIn, hub: Hub) {
    this.api = new TradingApi(signedIn.auth);
    this.feed = new TradingFeed(hub.connection, { api: this.api });
    this.bids = new Bids(hub.connection);
    this.ends = [
      followSignIn(signedIn.auth, hub.connection, this.feed),
      effect(() => (signedIn.account.value === null ? undefined : this.follow())),
      effect(() => {
        const symbols = this.priced.value > 0 ? [...this.shown.value.bots.values()].map(({ ticker }) => ticker) : [];
        const also = this.alsoPriced.value;
        this.bids.follow(new Set(also === null ? symbols : [...symbols, also]));
      }),
    ];
  }

  get state(): ReadonlySignal<TradingState> {
    return this.shown;
  }

  /** Why the hub does not tell this user anything; null if it does. */
  get problem(): ReadonlySignal<ErrorMessage | null> {
    return this.refused;
  }

  /** Keep the bids of all bots' markets live until the answer is called. */
  withPrices(): () => void {
    this.priced.value += 1;
    return () => void (this.priced.value -= 1);
  }

  stop(): void {
    for (const end of this.ends) end();
    this.bids.stop();
  }

  private follow(): () => void {
    const stop = this.feed.watch((state) => {
      this.shown.value = state;
      this.refused.value = this.feed.error;
    });
    return () => {
      stop();
      this.shown.value = EMPTY;
      this.refused.value = null;
    };
  }
}
