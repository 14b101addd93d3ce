/** Everything that one open dashboard follows: the connection, what is selected, and its feeds. */

import { connect, type ConnectionStatus, type Lease } from "@openoutcry/client";
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { CandleFeed } from "./candles.ts";
import type { Config, MarketSymbol } from "./config.ts";
import { readHash, type View, writeHash } from "./hash.ts";
import { neighbour } from "./intervals.ts";
import { followQuotes, type QuoteFeed } from "./quotes.ts";
import { followTrades, type Tape } from "./tape.ts";

/** One second for the first retry: somebody is looking. */
const BACKOFF = { base: 1_000, max: 30_000 };

export class Session {
  readonly status: ReadonlySignal<ConnectionStatus>;
  /** The time in ms, for countdowns; it moves only while the connection is not live. */
  readonly now: ReadonlySignal<number>;
  readonly view: Signal<View>;
  readonly candles: Signal<CandleFeed>;
  readonly quotes: Signal<QuoteFeed>;
  readonly tape: Signal<Tape>;
  private readonly lease: Lease;
  private readonly stops: (() => void)[];

  constructor(readonly config: Config) {
    this.lease = connect(config.hubUrl, { backoff: BACKOFF });
    const { connection } = this.lease;
    const status = signal(connection.status);
    const now = signal(Date.now());
    this.status = status;
    this.now = now;

    const view = this.readView();
    this.view = signal(view);
    this.candles = signal(new CandleFeed(connection, view.symbol, view.interval));
    this.quotes = signal(followQuotes(connection, view.symbol));
    this.tape = signal(followTrades(connection, view.symbol));
    history.replaceState(null, "", writeHash(view));

    const onHash = (): void => this.show(this.readView());
    addEventListener("hashchange", onHash);
    const ticking = setInterval(() => {
      if (status.value.state !== "live") now.value = Date.now();
    }, 250);
    this.stops = [
      connection.watch((value) => {
        now.value = Date.now();
        status.value = value;
      }),
      () => removeEventListener("hashchange", onHash),
      () => clearInterval(ticking),
    ];
  }

  /** The selected symbol with its scales. */
  get market(): MarketSymbol {
    const { symbol } = this.view.value;
    const found = this.config.symbols.find((market) => market.symbol === symbol) ?? this.config.symbols[0];
    if (!found) throw new RangeError("A session needs at least one symbol.");
    return found;
  }

  select(change: Partial<View>): void {
    const view = { ...this.view.peek(), ...change };
    history.replaceState(null, "", writeHash(view));
    this.show(view);
  }

  /** Select the next shorter or longer interval. */
  step(by: 1 | -1): void {
    this.select({ interval: neighbour(this.config.intervals, this.view.peek().interval, by) });
  }

  retryNow(): void {
    this.lease.connection.retryNow();
  }

  stop(): void {
    for (const stop of this.stops) stop();
    for (const feed of [this.candles, this.quotes, this.tape]) feed.peek().stop();
    this.lease.release();
  }

  private show(view: View): void {
    const old = this.view.peek();
    if (old.symbol === view.symbol && old.interval === view.interval) return;
    const { connection } = this.lease;
    this.candles.peek().stop();
    if (old.symbol !== view.symbol) {
      this.quotes.peek().stop();
      this.tape.peek().stop();
      this.quotes.value = followQuotes(connection, view.symbol);
      this.tape.value = followTrades(connection, view.symbol);
    }
    this.view.value = view;
    this.candles.value = new CandleFeed(connection, view.symbol, view.interval);
  }

  private readView(): View {
    return readHash(location.hash, this.config.symbols.map(({ symbol }) => symbol), this.config.intervals);
  }
}
