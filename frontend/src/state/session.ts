/** What one open chart follows: what is selected, and its feeds. */

import type { Connection, MarketOptions } from "@openoutcry/client";
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { CandleFeed } from "./candles.ts";
import type { Config, MarketSymbol } from "./config.ts";
import { type Desk, symbolsOf } from "./desk.ts";
import { readHash, type View, writeHash } from "./hash.ts";
import type { Hub } from "./hub.ts";
import { neighbour } from "./intervals.ts";
import { followQuotes, type QuoteFeed } from "./quotes.ts";
import { pageOf } from "./route.ts";
import { followTrades, type Tape } from "./tape.ts";

export class Session {
  readonly config: Config;
  readonly hub: Hub;
  readonly view: ReadonlySignal<View>;
  readonly candles: Signal<CandleFeed>;
  readonly quotes: Signal<QuoteFeed>;
  readonly tape: Signal<Tape>;
  private readonly shown: Signal<View>;
  private readonly connection: Connection;
  private readonly options: MarketOptions;
  private readonly stopRouting: () => void;

  constructor(desk: Desk) {
    this.config = desk.config;
    this.hub = desk.hub;
    this.connection = desk.hub.connection;
    this.options = desk.asking;
    this.shown = desk.view;
    this.view = desk.view;
    const view = this.readView();
    this.shown.value = view;
    this.candles = signal(new CandleFeed(this.connection, view.symbol, view.interval, this.options));
    this.quotes = signal(followQuotes(this.connection, view.symbol));
    this.tape = signal(followTrades(this.connection, view.symbol));
    history.replaceState(null, "", writeHash(view));

    const onHash = (): void => {
      if (pageOf(location.hash) === "chart") this.show(this.readView());
    };
    addEventListener("hashchange", onHash);
    this.stopRouting = () => removeEventListener("hashchange", onHash);
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

  stop(): void {
    this.stopRouting();
    for (const feed of [this.candles, this.quotes, this.tape]) feed.peek().stop();
  }

  private show(view: View): void {
    const old = this.view.peek();
    if (old.symbol === view.symbol && old.interval === view.interval) return;
    const { connection } = this;
    this.candles.peek().stop();
    if (old.symbol !== view.symbol) {
      this.quotes.peek().stop();
      this.tape.peek().stop();
      this.quotes.value = followQuotes(connection, view.symbol);
      this.tape.value = followTrades(connection, view.symbol);
    }
    this.shown.value = view;
    this.candles.value = new CandleFeed(connection, view.symbol, view.interval, this.options);
  }

  private readView(): View {
    return readHash(location.hash, symbolsOf(this.config), this.config.intervals);
  }
}
