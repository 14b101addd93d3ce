/** What one open token's page follows: the token, its candles, who holds it, how it was traded. */

import type { Connection, TokensApi } from "@openoutcry/client";
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { Asked } from "./asked.ts";
import { neighbour } from "./intervals.ts";
import { TOKEN_INTERVALS, TokenCandles } from "./tokenCandles.ts";
import { TokenLive } from "./tokenLive.ts";
import { Holders, Spread } from "./tokenParts.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const USUAL = "5m";

export interface TokenView {
  readonly address: string;
  readonly interval: string;
}

/** `#token/0x…/5m`. */
export function readTokenHash(hash: string): TokenView {
  const [, address = "", interval = ""] = hash.replace(/^#\/?/, "").split(/[/?]/);
  return { address, interval: TOKEN_INTERVALS.includes(interval) ? interval : USUAL };
}

export function writeTokenHash({ address, interval }: TokenView): string {
  return interval === USUAL ? `#token/${address}` : `#token/${address}/${interval}`;
}

export class TokenSession {
  readonly live: TokenLive;
  readonly holders: Holders;
  readonly spread: Spread;
  readonly interval: ReadonlySignal<string>;
  readonly candles: Signal<TokenCandles>;
  /** The price with which the last 24 hours began; null where it was not traded in them. */
  readonly dayOpen: Asked<string | null>;
  private readonly shownInterval: Signal<string>;
  private readonly stops: (() => void)[];

  constructor(
    connection: Connection,
    private readonly api: TokensApi,
    view: TokenView,
  ) {
    const { address, interval } = view;
    this.shownInterval = signal(interval);
    this.interval = this.shownInterval;
    this.live = new TokenLive(connection, api, address);
    this.candles = signal(new TokenCandles(api, address, interval));
    this.holders = new Holders(api, address);
    this.spread = new Spread(api, address);
    this.dayOpen = new Asked(async (aborted) => {
      const now = Date.now();
      const [first] = await api.candles(address, { interval: "1h", start: now - DAY, end: now, limit: 25 }, { signal: aborted });
      return first?.open ?? null;
    });
    void this.dayOpen.load();
    const ticking = setInterval(() => void this.dayOpen.load(), HOUR / 12);
    this.stops = [
      () => clearInterval(ticking),
      this.live.onTraded((undone) => {
        this.candles.peek().changed(undone);
        this.holders.first.traded();
        this.spread.answer.traded();
      }),
    ];
  }

  get address(): string {
    return this.live.address;
  }

  /** Ask for everything that could not be had. */
  retry(): void {
    void this.live.load();
    if (this.candles.peek().phase.peek().kind === "error") void this.candles.peek().load();
    for (const part of [this.holders.first, this.spread.answer, this.dayOpen]) if (part.problem.peek() !== null) void part.load();
  }

  select(interval: string): void {
    if (interval === this.shownInterval.peek()) return;
    this.candles.peek().stop();
    this.shownInterval.value = interval;
    this.candles.value = new TokenCandles(this.api, this.address, interval);
    history.replaceState(null, "", writeTokenHash({ address: this.address, interval }));
  }

  /** Select the next shorter or longer interval. */
  step(by: 1 | -1): void {
    this.select(neighbour(TOKEN_INTERVALS, this.shownInterval.peek(), by));
  }

  stop(): void {
    for (const stop of this.stops) stop();
    this.dayOpen.stop();
    this.spread.stop();
    this.holders.stop();
    this.candles.peek().stop();
    this.live.stop();
  }
}
