/** Every market's figures: asked for once, kept live by the hub, polled where the hub is silent. */

import { ApiError, type Connection, getMarkets, type MarketList, type MarketOptions, type PriceSource, type TickerUpdate } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { Board } from "./board.ts";

export type MarketsPhase =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "empty" }
  | { readonly kind: "error"; readonly message: string };

export interface Freshness {
  readonly source: PriceSource;
  /** The server says that the prices are older than they should be. */
  readonly stale: boolean;
  /** When the prices were true, ms since 1970; null before the first. */
  readonly asOf: number | null;
  /** How they came here: pushed by the hub, or asked for. */
  readonly pushed: boolean;
}

/** A hub that has said nothing of tickers for so long is helped by polling, ms. */
const SILENCE = 10_000;
/** What the hub does not push (new markets, sparklines) is asked for this often, ms. */
const RELIST = 60_000;

export class MarketsFeed {
  readonly board = new Board();
  private readonly shownPhase = signal<MarketsPhase>({ kind: "loading" });
  private readonly shownFreshness = signal<Freshness>({ source: "none", stale: false, asOf: null, pushed: false });
  private readonly shownRevision = signal(0);
  private readonly shownListed = signal(0);
  private readonly shownNow = signal(Date.now());
  private followers = 0;
  private stops: (() => void)[] = [];
  private abort = new AbortController();
  private asking = false;
  private askedAt = 0;
  private listedAt = 0;
  private heardAt = 0;

  constructor(
    private readonly connection: Connection,
    private readonly options: MarketOptions = {},
  ) {}

  get phase(): ReadonlySignal<MarketsPhase> {
    return this.shownPhase;
  }

  get freshness(): ReadonlySignal<Freshness> {
    return this.shownFreshness;
  }

  /** Counts up with every change. */
  get revision(): ReadonlySignal<number> {
    return this.shownRevision;
  }

  /** Counts up with every whole list: markets may have come or gone. */
  get listed(): ReadonlySignal<number> {
    return this.shownListed;
  }

  /** The time in ms, every second while somebody follows. */
  get now(): ReadonlySignal<number> {
    return this.shownNow;
  }

  /** Keep the board live until the answer is called. What is on it stays there afterwards. */
  follow(): () => void {
    this.followers += 1;
    if (this.followers === 1) this.start();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.followers -= 1;
      if (this.followers === 0) this.stop();
    };
  }

  /** Ask for the whole list now; also what a retry does. */
  async load(): Promise<void> {
    if (this.asking) return;
    if (this.board.size === 0 && this.shownPhase.value.kind !== "empty") this.shownPhase.value = { kind: "loading" };
    this.asking = true;
    this.askedAt = Date.now();
    const { signal: aborted } = this.abort;
    try {
      const list = await getMarkets("", { ...this.options, signal: aborted });
      this.takeList(list, false);
    } catch (error) {
      if (!aborted.aborted && this.board.size === 0) {
        const message = error instanceof ApiError ? error.message : "Something unexpected went wrong.";
        this.shownPhase.value = { kind: "error", message };
      }
      // What is on the board stays: its age says how old it is.
    } finally {
      this.asking = false;
    }
  }

  stop(): void {
    this.abort.abort();
    for (const stop of this.stops) stop();
    this.stops = [];
  }

  private start(): void {
    this.abort = new AbortController();
    this.asking = false;
    const ticking = setInterval(() => this.tick(), 1_000);
    this.stops = [
      () => clearInterval(ticking),
      this.connection.subscribe(
        "tickers",
        (list) => {
          if (list) this.takeList(list, true);
        },
        (updates) => this.takeUpdates(updates),
      ),
    ];
    void this.load();
  }

  private tick(): void {
    const now = Date.now();
    this.shownNow.value = now;
    // Changes alone do not say what a symbol is made of: without a list there is nothing to change.
    const silent = (now - this.heardAt >= SILENCE || this.board.size === 0) && now - this.askedAt >= SILENCE;
    const due = now - this.listedAt >= RELIST && now - this.askedAt >= RELIST;
    if ((silent || due) && !document.hidden) void this.load();
  }

  private takeList(list: MarketList, pushed: boolean): void {
    const now = Date.now();
    this.board.replace(list.markets, now);
    if (pushed) this.heardAt = now;
    else this.listedAt = now;
    const asOf = list.age === null ? null : now - list.age * 1000;
    this.shownFreshness.value = { source: list.source, stale: list.stale, asOf, pushed: pushed || now - this.heardAt < SILENCE };
    this.shownNow.value = now;
    this.shownPhase.value = { kind: this.board.size > 0 ? "ready" : "empty" };
    this.shownListed.value += 1;
    this.shownRevision.value += 1;
  }

  private takeUpdates(updates: readonly TickerUpdate[]): void {
    if (updates.length === 0 || this.board.size === 0) return;
    const now = Date.now();
    this.heardAt = now;
    const { source } = this.shownFreshness.value;
    this.shownFreshness.value = { source, stale: false, asOf: now, pushed: true };
    this.board.update(updates, now);
    this.shownRevision.value += 1;
  }
}
