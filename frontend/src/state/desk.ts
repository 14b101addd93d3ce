/** What all pages share: the configuration, the connection, who is signed in, and what was last shown. */

import type { MarketOptions } from "@openoutcry/client";
import { type Signal, signal } from "@preact/signals";
import { SignedIn } from "./account.ts";
import type { Config } from "./config.ts";
import { readHash, type View } from "./hash.ts";
import { Hub } from "./hub.ts";
import { KillSwitch } from "./killSwitch.ts";
import { MarketsFeed } from "./markets.ts";
import { Ranking } from "./ranking.ts";
import { Monitor } from "./monitor.ts";
import { followRoute, type Route } from "./route.ts";
import { Trading } from "./trading.ts";

export class Desk {
  readonly hub: Hub;
  readonly route: Route;
  readonly signedIn = new SignedIn();
  /** How market data is asked for: as who has signed in, where it is not for everybody. */
  readonly asking: MarketOptions;
  /** The chart that is shown, or was shown last. */
  readonly view: Signal<View>;
  /** Kept here so that coming back from a chart finds the list as it was left. */
  readonly markets: MarketsFeed;
  readonly ranking: Ranking;
  readonly trading: Trading;
  readonly monitor: Monitor;
  readonly killSwitch: KillSwitch;
  /** A sentence that answers what somebody did, for as long as it takes to read. */
  readonly said: Signal<Said | null> = signal(null);

  constructor(readonly config: Config) {
    this.asking = config.publicMarketData ? {} : { credentials: this.signedIn.auth };
    this.hub = new Hub(config.hubUrl);
    this.route = followRoute();
    this.view = signal(readHash(this.route.page.value === "chart" ? location.hash : "", symbolsOf(config), config.intervals));
    this.markets = new MarketsFeed(this.hub.connection, this.asking);
    this.ranking = new Ranking(this.markets);
    this.trading = new Trading(this.signedIn, this.hub);
    this.monitor = new Monitor(this.hub);
    this.killSwitch = new KillSwitch(this.signedIn, this.trading, this.hub.connection, (text) => this.say(text));
  }

  /** Nobody is signed in, and market data is for users only. */
  get isLocked(): boolean {
    return !this.config.publicMarketData && this.signedIn.account.value === null;
  }

  say(text: string): void {
    this.said.value = { text };
  }

  stop(): void {
    this.killSwitch.stop();
    this.monitor.stop();
    this.trading.stop();
    this.ranking.stop();
    this.markets.stop();
    this.route.stop();
    this.hub.stop();
  }
}

export interface Said {
  readonly text: string;
}

export function symbolsOf(config: Config): readonly string[] {
  return config.symbols.map(({ symbol }) => symbol);
}
