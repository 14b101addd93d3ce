/** How much comes in over a connection, how late, and how far the hub is: figures for whoever watches over it. */

export interface TrafficReport {
  /** Since the connection was made, over all its sockets. */
  readonly messages: number;
  /** Characters of text. */
  readonly characters: number;
  /** Sockets after the first. */
  readonly reconnects: number;
  /** Messages by channel; "" for those that belong to none. */
  readonly byChannel: Readonly<Record<string, number>>;
  /** From a ping to its pong, ms; null before the first. */
  readonly roundTrip: number | null;
  /** How long the last message was on its way from the hub, ms, the difference of clocks taken out; null before the first pong. */
  readonly lag: number | null;
  /** The most of the last few hundred, ms. */
  readonly worstLag: number | null;
  /** How far the hub's clock is before this one, ms. */
  readonly clockOffset: number | null;
}

const KEPT = 256;

export class Traffic {
  private messages = 0;
  private characters = 0;
  private sockets = 0;
  private readonly counts = new Map<string, number>();
  private readonly pings = new Map<number, number>();
  private readonly lags: number[] = [];
  private roundTrip: number | null = null;
  private clockOffset: number | null = null;
  private lag: number | null = null;

  /** Count a message. `timestamp` is the hub's, ISO 8601; `now` this machine's, ms. */
  take(channel: string, characters: number, timestamp: unknown, now: number): void {
    this.messages += 1;
    this.characters += characters;
    this.counts.set(channel, (this.counts.get(channel) ?? 0) + 1);
    if (channel === "" || this.clockOffset === null || typeof timestamp !== "string") return;
    const sent = Date.parse(timestamp);
    if (Number.isNaN(sent)) return;
    this.lag = Math.max(0, now + this.clockOffset - sent);
    this.lags.push(this.lag);
    if (this.lags.length > KEPT) this.lags.shift();
  }

  pinged(id: number, now: number): void {
    this.pings.set(id, now);
    // A hub that answers none of them must not fill the memory.
    if (this.pings.size > 16) this.pings.delete(this.pings.keys().next().value as number);
  }

  ponged(id: unknown, timestamp: unknown, now: number): void {
    const sent = typeof id === "number" ? this.pings.get(id) : undefined;
    if (sent === undefined) return;
    this.pings.delete(id as number);
    this.roundTrip = now - sent;
    const theirs = typeof timestamp === "string" ? Date.parse(timestamp) : NaN;
    if (!Number.isNaN(theirs)) this.clockOffset = theirs - (sent + now) / 2;
  }

  /** Another socket, perhaps of another hub: its clock is another, and no pong of the old one comes. */
  reconnected(): void {
    this.sockets += 1;
    this.pings.clear();
    this.lags.length = 0;
    this.roundTrip = this.clockOffset = this.lag = null;
  }

  report(): TrafficReport {
    const { messages, characters, roundTrip, lag, clockOffset } = this;
    return {
      messages, characters, roundTrip, lag, clockOffset,
      reconnects: Math.max(0, this.sockets - 1),
      byChannel: Object.fromEntries(this.counts),
      worstLag: this.lags.length === 0 ? null : Math.max(...this.lags),
    };
  }
}
