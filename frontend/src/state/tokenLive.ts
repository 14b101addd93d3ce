/** One token as it is now, with its newest trades: from the hub, and from REST where the hub cannot be heard. */

import { ApiError, type Connection, isUp, type Token, type TokenDetail, type TokensApi, type TokenTrade } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { keyOf, MOST_OLDER, MOST_TRADES, withTrades } from "./tokenTape.ts";

/** The hub has so long to tell of the token before REST is asked for its trades, ms. */
const PATIENCE = 1_500;
/** While the hub is gone everything is asked for this often, ms. */
const POLL = 10_000;
/** What only REST knows (the chain's own word on the market cap) is asked for this often, ms. */
const RECHECK = 60_000;

export interface Problem {
  readonly message: string;
  /** There is no such token. */
  readonly missing: boolean;
}

/** Trades in a page of older ones: more than are kept without them, so that the first page reaches beyond. */
const PAGE = 250;

/** Told of what has happened; `undone`: trades were taken back. */
export type OnTraded = (undone: boolean) => void;

export class TokenLive {
  private readonly shownToken = signal<Token | null>(null);
  private readonly shownDetail = signal<TokenDetail | null>(null);
  private readonly shownTrades = signal<readonly TokenTrade[] | null>(null);
  private readonly shownProblem = signal<Problem | null>(null);
  private readonly shownOlder = signal<"idle" | "loading" | "error" | "end">("idle");
  /** Where older trades go on; null until some have been asked for. */
  private cursor: string | null = null;
  private readonly listeners = new Set<OnTraded>();
  private readonly abort = new AbortController();
  private readonly stops: (() => void)[];
  private up = false;
  private heard = false;
  private askedAt = 0;
  private readonly since = Date.now();

  constructor(
    connection: Pick<Connection, "subscribe" | "watch">,
    private readonly api: Pick<TokensApi, "token" | "trades">,
    readonly address: string,
  ) {
    const ticking = setInterval(() => this.tick(), 1_000);
    this.stops = [
      () => clearInterval(ticking),
      connection.watch(({ state }) => {
        this.up = isUp(state);
        if (!this.up) this.heard = false;
      }),
      connection.subscribe(
        `token:${address.toLowerCase() as `0x${string}`}`,
        ({ token, trades }) => {
          const again = this.shownTrades.peek() !== null;
          this.heard = true;
          this.begin(withTrades([], trades));
          this.take(token);
          // Something may have been missed, or taken back, since the last one.
          if (again) this.tell(true);
        },
        ({ token, trades, undone }) => {
          const list = this.shownTrades.peek() ?? [];
          this.shownTrades.value = withTrades(list, trades, undone, this.most);
          this.take(token);
          this.tell(undone.length > 0);
        },
      ),
    ];
    void this.load();
  }

  get token(): ReadonlySignal<Token | null> {
    return this.shownToken;
  }

  /** What REST said of it last. */
  get detail(): ReadonlySignal<TokenDetail | null> {
    return this.shownDetail;
  }

  /** Newest first; null until any are known. */
  get trades(): ReadonlySignal<readonly TokenTrade[] | null> {
    return this.shownTrades;
  }

  /** What becomes of trades before those. */
  get older(): ReadonlySignal<"idle" | "loading" | "error" | "end"> {
    return this.shownOlder;
  }

  get problem(): ReadonlySignal<Problem | null> {
    return this.shownProblem;
  }

  onTraded(listener: OnTraded): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Ask REST now; also what a retry does. */
  async load(): Promise<void> {
    const { signal } = this.abort;
    this.askedAt = Date.now();
    try {
      const detail = await this.api.token(this.address, { signal });
      this.shownDetail.value = detail;
      this.shownProblem.value = null;
      if (!this.heard) this.shownToken.value = detail;
      if (this.heard || Date.now() - this.since < PATIENCE) return;
      const { trades } = await this.api.trades(this.address, { limit: 50, signal });
      if (this.heard) return;
      const before = this.shownTrades.peek();
      if (before?.[0] && trades[0] && keyOf(before[0]) === keyOf(trades[0])) return;
      this.begin(trades);
      if (before) this.tell(true);
    } catch (error) {
      if (signal.aborted) return;
      const missing = error instanceof ApiError && (error.status === 404 || error.status === 400);
      const message = error instanceof ApiError ? error.message : "Something unexpected went wrong.";
      if (this.shownToken.peek() === null) this.shownProblem.value = { message, missing };
    }
  }

  /** Ask for a page of older trades, unless one is on its way or there are none. */
  async loadOlder(): Promise<void> {
    if (this.shownOlder.peek() === "loading" || this.shownOlder.peek() === "end") return;
    this.shownOlder.value = "loading";
    const { cursor } = this;
    try {
      const page = await this.api.trades(this.address, { limit: PAGE, signal: this.abort.signal, ...(cursor !== null && { cursor }) });
      // Something began anew meanwhile: what was asked for does not follow on it.
      if (this.cursor !== cursor || this.shownOlder.peek() !== "loading") return;
      this.cursor = page.next ?? cursor ?? "";
      const trades = withTrades(this.shownTrades.peek() ?? [], page.trades, [], MOST_OLDER);
      this.shownTrades.value = trades;
      this.shownOlder.value = page.next === null || trades.length >= MOST_OLDER ? "end" : "idle";
    } catch {
      if (!this.abort.signal.aborted) this.shownOlder.value = "error";
    }
  }

  stop(): void {
    this.abort.abort();
    this.listeners.clear();
    for (const stop of this.stops) stop();
  }

  private get most(): number {
    return this.cursor === null ? MOST_TRADES : MOST_OLDER;
  }

  /** The newest trades, between which and those before something may be missing. */
  private begin(trades: readonly TokenTrade[]): void {
    this.cursor = null;
    this.shownOlder.value = "idle";
    this.shownTrades.value = trades;
  }

  private take(token: Token): void {
    this.shownToken.value = token;
    this.shownProblem.value = null;
  }

  private tell(undone: boolean): void {
    for (const listener of this.listeners) listener(undone);
  }

  private tick(): void {
    const waited = Date.now() - this.askedAt;
    const impatient = this.shownTrades.peek() === null && !this.heard && Date.now() - this.since >= PATIENCE && waited >= PATIENCE;
    const due = waited >= (this.heard ? RECHECK : POLL);
    if ((impatient || due) && !document.hidden && this.shownProblem.peek() === null) void this.load();
  }
}
