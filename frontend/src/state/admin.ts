/** The aggregator's figures, asked for while somebody looks, and their last minutes. */

import { ApiError, type Auth, clearPriceCache, type Cleared, getPriceCacheStats, type PriceCacheStats } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";

export type AdminPhase =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "signedOut" }
  | { readonly kind: "forbidden" }
  /** Old figures, if there are any, stay on the page. */
  | { readonly kind: "error"; readonly message: string };

/** One answer in the history. */
export interface Sample {
  /** ms since 1970 */
  readonly at: number;
  readonly upstreamCalls: number;
  /** Answers out of the cache per second since the sample before; null for the first, and after a restart. */
  readonly hitsPerSecond: number | null;
  readonly hits: number;
}

const EVERY = 2_000;
/** Five minutes. */
export const KEPT = 150;

export function sampleOf(stats: PriceCacheStats, at: number, before: Sample | undefined): Sample {
  const more = before ? stats.hits - before.hits : -1;
  const seconds = before ? (at - before.at) / 1000 : 0;
  return {
    at,
    upstreamCalls: stats.upstreamCallsLastMinute,
    hits: stats.hits,
    hitsPerSecond: more < 0 || seconds <= 0 ? null : more / seconds,
  };
}

export class AdminFeed {
  private readonly shownPhase = signal<AdminPhase>({ kind: "loading" });
  private readonly shownStats = signal<PriceCacheStats | null>(null);
  private readonly shownHistory = signal<readonly Sample[]>([]);
  private readonly abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private asking = false;

  constructor(private readonly auth: Auth) {
    void this.ask();
  }

  get phase(): ReadonlySignal<AdminPhase> {
    return this.shownPhase;
  }

  get stats(): ReadonlySignal<PriceCacheStats | null> {
    return this.shownStats;
  }

  get history(): ReadonlySignal<readonly Sample[]> {
    return this.shownHistory;
  }

  /** Ask now, and then every two seconds. */
  async ask(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.asking || this.abort.signal.aborted) return;
    this.asking = true;
    try {
      if (!document.hidden || this.shownStats.value === null) {
        const stats = await getPriceCacheStats(this.auth, { signal: this.abort.signal });
        const history = this.shownHistory.value;
        this.shownHistory.value = [...history, sampleOf(stats, Date.now(), history.at(-1))].slice(-KEPT);
        this.shownStats.value = stats;
        this.shownPhase.value = { kind: "ready" };
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.asking = false;
    }
    const { kind } = this.shownPhase.value;
    if (!this.abort.signal.aborted && kind !== "signedOut" && kind !== "forbidden") {
      this.timer = setTimeout(() => void this.ask(), EVERY);
    }
  }

  /** Empty the cache. Throws `ApiError`. */
  async clear(): Promise<Cleared> {
    const cleared = await clearPriceCache(this.auth, { signal: this.abort.signal });
    void this.ask();
    return cleared;
  }

  stop(): void {
    this.abort.abort();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private fail(error: unknown): void {
    if (this.abort.signal.aborted) return;
    const status = error instanceof ApiError ? error.status : null;
    if (status === 401 || status === 403) {
      // What only an admin may see does not stay on the page.
      this.shownStats.value = null;
      this.shownHistory.value = [];
      this.shownPhase.value = { kind: status === 401 ? "signedOut" : "forbidden" };
      return;
    }
    this.shownPhase.value = { kind: "error", message: error instanceof ApiError ? error.message : "Something unexpected went wrong." };
  }
}
