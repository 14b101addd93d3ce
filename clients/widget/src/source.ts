/** Keeps the figures current: pushed over the hub while it can be heard, polled while it cannot. */

import { retryDelay } from "../../typescript/src/backoff.ts";
import type { Clock } from "../../typescript/src/clock.ts";
import { ask, CHANNEL, type Fetch, isStats, type Stats } from "./stats.ts";

/** As much of a WebSocket as is used here. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface World {
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly openSocket: (url: string) => Socket;
}

/** What is heard: figures (pushed or not), or that there are none to be had just now. */
export interface Listener {
  onStats(stats: Stats, live: boolean): void;
  onFailure(): void;
  /** The hub was lost: figures come by polling from here on. */
  onLost(): void;
}

const POLL = 10_000;
const PATIENCE = 8_000;
const PING = 25_000;
const PONG = 10_000;
const BACKOFF = { base: 3_000, max: 60_000 };

/** One page's line to one API. `hub` is null where only polling is wanted. */
export class Source {
  private readonly timers = new Map<string, () => void>();
  private socket: Socket | null = null;
  private live = false;
  private asking = false;
  private attempts = 0;
  private stopped = true;

  constructor(
    private readonly api: string,
    private readonly hub: string | null,
    private readonly world: World,
    private readonly listener: Listener,
  ) {}

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    void this.poll();
    this.open();
  }

  stop(): void {
    this.stopped = true;
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
    this.drop();
  }

  private async poll(): Promise<void> {
    this.cancel("poll");
    if (this.asking) return;
    this.asking = true;
    const answer = await ask(this.world.fetch, this.world.clock, this.api, PATIENCE);
    this.asking = false;
    if (this.stopped) return;
    if (!this.live) {
      if ("stats" in answer) this.listener.onStats(answer.stats, false);
      else this.listener.onFailure();
      const wait = "stats" in answer ? POLL : Math.max(POLL, answer.retryAfter);
      this.plan("poll", wait, () => void this.poll());
    }
  }

  private open(): void {
    if (this.hub === null) return;
    let socket: Socket;
    try {
      socket = this.world.openSocket(this.hub);
    } catch {
      return; // no address for a WebSocket: polling does
    }
    this.socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "subscribe", channel: CHANNEL }));
      this.ping();
    };
    socket.onmessage = (event: { data: unknown }) => this.hear(event.data);
    socket.onclose = () => this.lose();
    socket.onerror = () => {}; // a close always follows
    this.plan("pong", PONG, () => this.lose());
  }

  private hear(text: unknown): void {
    this.cancel("pong");
    let message: { type?: unknown; channel?: unknown; data?: unknown };
    try {
      message = JSON.parse(String(text)) as typeof message;
    } catch {
      return;
    }
    if (message?.type === "error") {
      this.lose(); // unknown, forbidden or just now not to be had
      return;
    }
    if (message?.channel !== CHANNEL) return;
    // Without figures yet, the answer to the subscription says null; the poll has what there is.
    if (!isStats(message.data)) return;
    this.live = true;
    this.attempts = 0;
    this.cancel("poll");
    this.listener.onStats(message.data, true);
  }

  private ping(): void {
    this.plan("ping", PING, () => {
      this.socket?.send(JSON.stringify({ type: "ping" }));
      this.plan("pong", PONG, () => this.lose());
      this.ping();
    });
  }

  private lose(): void {
    if (this.socket === null) return;
    this.drop();
    this.cancel("ping");
    this.cancel("pong");
    const { clock } = this.world;
    this.plan("retry", retryDelay(this.attempts, BACKOFF, clock.random()), () => this.open());
    this.attempts += 1;
    if (!this.live) return;
    this.live = false;
    this.listener.onLost();
    void this.poll();
  }

  private drop(): void {
    const { socket } = this;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close();
    } catch {
      // It never opened; it is gone either way.
    }
  }

  private plan(name: string, delay: number, task: () => void): void {
    this.cancel(name);
    this.timers.set(name, this.world.clock.after(delay, () => {
      this.timers.delete(name);
      task();
    }));
  }

  private cancel(name: string): void {
    this.timers.get(name)?.();
    this.timers.delete(name);
  }
}
