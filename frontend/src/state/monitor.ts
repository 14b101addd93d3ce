/** How the connection has been: a sample a second, and what happened to it. Runs from the start, so that the page has a past. */

import type { ChannelReport, ConnectionStatus, TrafficReport } from "@openoutcry/client";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Hub } from "./hub.ts";

/** Five minutes. */
export const KEPT = 300;
const EVERY = 1_000;
/** A probe is sent this often while somebody looks, and otherwise not at all, ms. */
const PROBE = 2_000;
const EVENTS = 50;

export interface Sample {
  /** ms since 1970 */
  readonly at: number;
  readonly messagesPerSecond: number;
  /** ms; null while unknown. */
  readonly lag: number | null;
  readonly roundTrip: number | null;
}

/** A change of the connection's state. */
export interface StateEvent {
  readonly at: number;
  readonly state: ConnectionStatus["state"];
  readonly close: ConnectionStatus["close"];
}

export class Monitor {
  private readonly shownSamples = signal<readonly Sample[]>([]);
  private readonly shownEvents = signal<readonly StateEvent[]>([]);
  private readonly shownFigures: ReturnType<typeof signal<TrafficReport>>;
  private rates: Readonly<Record<string, number>> = {};
  private before: TrafficReport;
  private beforeAt = Date.now();
  private readonly end: () => void;

  constructor(private readonly hub: Hub) {
    this.before = hub.connection.figures;
    this.shownFigures = signal(this.before);
    const timer = setInterval(() => this.sample(), EVERY);
    const unwatch = effect(() => this.note(hub.status.value));
    this.end = () => {
      clearInterval(timer);
      unwatch();
    };
  }

  get samples(): ReadonlySignal<readonly Sample[]> {
    return this.shownSamples;
  }

  /** Newest first. */
  get events(): ReadonlySignal<readonly StateEvent[]> {
    return this.shownEvents;
  }

  get figures(): ReadonlySignal<TrafficReport> {
    return this.shownFigures as ReadonlySignal<TrafficReport>;
  }

  /** Messages a second by channel, over the last second. */
  get channelRates(): Readonly<Record<string, number>> {
    return this.rates;
  }

  get positions(): readonly ChannelReport[] {
    return this.hub.connection.positions;
  }

  /** Measure the way to the hub until the answer is called. */
  probe(): () => void {
    const { connection } = this.hub;
    connection.probe();
    const timer = setInterval(() => connection.probe(), PROBE);
    return () => clearInterval(timer);
  }

  stop(): void {
    this.end();
  }

  private sample(): void {
    const at = Date.now();
    const now = this.hub.connection.figures;
    // A tab in the background is called late: the rate is over the time that really went by.
    const seconds = Math.max(0.001, (at - this.beforeAt) / 1000);
    this.rates = ratesBetween(this.before.byChannel, now.byChannel, seconds);
    const one = { at, messagesPerSecond: (now.messages - this.before.messages) / seconds, lag: now.lag, roundTrip: now.roundTrip };
    this.shownSamples.value = [...this.shownSamples.peek(), one].slice(-KEPT);
    this.before = now;
    this.beforeAt = at;
    this.shownFigures.value = now;
  }

  private note({ state, close }: ConnectionStatus): void {
    const events = this.shownEvents.peek();
    if (events[0]?.state === state) return;
    this.shownEvents.value = [{ at: Date.now(), state, close }, ...events].slice(0, EVENTS);
  }
}

/** How much each count grew a second. */
export function ratesBetween(
  before: Readonly<Record<string, number>>, now: Readonly<Record<string, number>>, seconds: number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(now).map(([channel, count]) => [channel, (count - (before[channel] ?? 0)) / seconds]));
}
