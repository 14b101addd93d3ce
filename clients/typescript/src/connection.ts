/** One WebSocket to the hub that comes back by itself. */

import { type Backoff, retryDelay } from "./backoff.ts";
import { type ChannelReport, Channels, type Listener, type Outgoing } from "./channels.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Credentials } from "./credentials.ts";
import { Identity } from "./identity.ts";
import { type ChangeOf, type Channel, type ErrorMessage, type HubMessage, parseMessage, type SnapshotOf } from "./messages.ts";
import { type ConnectionStatus, Listeners } from "./status.ts";
import { Traffic, type TrafficReport } from "./traffic.ts";

/** As much of a WebSocket as is used here. */
export interface Socket {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export interface ConnectionOptions {
  readonly backoff?: Partial<Backoff>;
  /** How often to ping, ms. */
  readonly pingEvery?: number;
  /** How long the hub may take to say anything after a ping, ms. */
  readonly pongWithin?: number;
  /** How long an attempt to connect may take, ms. */
  readonly connectWithin?: number;
  /** How long subscribed channels may all be silent before the connection is called stale, ms. */
  readonly staleAfter?: number;
  readonly clock?: Clock;
  readonly openSocket?: (url: string) => Socket;
  /** Sees what was not the protocol; it is otherwise ignored. */
  readonly onMalformed?: (text: unknown) => void;
}

type Full = Required<Omit<ConnectionOptions, "backoff">> & { readonly backoff: Backoff };

const OPEN = 1;
/** A connection that held for so long starts the backoff anew. */
const HELD = 5_000;
const RETRY_UNAVAILABLE = 5_000;
const NO_PONG = 3012;
const INVALID_TOKEN = 3500;
/** Closed by us to come back at once as somebody else. */
const OTHER_USER = 4000;

export class Connection {
  private readonly options: Full;
  private readonly clock: Clock;
  private readonly channels: Channels;
  private readonly identity: Identity;
  private readonly traffic = new Traffic();
  private readonly watchers = new Listeners<[ConnectionStatus]>();
  private readonly timers = new Map<string, () => void>();
  private readonly stopNetwork: () => void;
  private socket: Socket | null = null;
  private current: ConnectionStatus;
  private openedAt: number | null = null;

  constructor(
    readonly url: string,
    options: ConnectionOptions = {},
  ) {
    this.options = {
      pingEvery: 25_000,
      pongWithin: 10_000,
      connectWithin: 10_000,
      staleAfter: 15_000,
      clock: systemClock,
      openSocket: (address) => new WebSocket(address) as unknown as Socket,
      onMalformed: () => {},
      ...options,
      backoff: { base: 3_000, max: 30_000, ...options.backoff },
    };
    this.clock = this.options.clock;
    this.channels = new Channels((message) => this.send(message));
    this.identity = new Identity(this.channels, (message) => this.send(message), this.clock);
    this.current = {
      state: "connecting", since: this.clock.now(), lastDataAt: null, retryAt: null, attempts: 0, close: null,
    };
    this.stopNetwork = watchNetwork(() => this.retryNow(), () => this.onNetworkLost());
    this.open();
  }

  get status(): ConnectionStatus {
    return this.current;
  }

  /** Call `watcher` with the status now and whenever it changes. The answer stops that. */
  watch(watcher: (status: ConnectionStatus) => void): () => void {
    const stop = this.watchers.add(watcher);
    watcher(this.current);
    return stop;
  }

  /**
   * Listen to a channel. The answer ends it; calling it twice is harmless.
   *
   * `onSnapshot` is called first, and again after every reconnect; `onChange` only between. Channels
   * are shared: the hub sees one subscription however many listeners there are here.
   */
  subscribe<C extends Channel>(
    channel: C,
    onSnapshot: (snapshot: SnapshotOf<C>) => void,
    onChange: (change: ChangeOf<C>) => void,
    onError?: (error: ErrorMessage) => void,
  ): () => void {
    const listener: Listener = {
      onSnapshot: (data) => onSnapshot(data as SnapshotOf<C>),
      onChange: (data) => onChange(data as ChangeOf<C>),
      ...(onError && { onError }),
    };
    this.channels.add(channel, listener);
    if (this.channels.size === 1) this.expectData();
    return () => {
      this.channels.remove(channel, listener);
      // Whoever follows nothing waits for nothing.
      if (this.channels.size === 0 && this.current.state === "stale") this.set({ state: "live" });
    };
  }

  /**
   * Say who is asking, for the private channels; null for nobody. The token is sent after each connect
   * and renewed before it ends. Whoever was known before has no part in the connection any more.
   */
  identify(credentials: Pick<Credentials, "token"> | null): void {
    const known = this.identity.isKnown;
    if (!this.identity.become(credentials)) return;
    this.channels.disowned();
    if (this.socket?.readyState !== OPEN) return;
    // The hub cannot be told to forget somebody; a new socket it knows nothing of.
    if (known) this.reopen();
    else this.identity.introduce();
  }

  /** How the private channels have fared: offsets, gaps, recoveries. */
  get positions(): readonly ChannelReport[] {
    return this.channels.report();
  }

  /** What has come in, and how late. */
  get figures(): TrafficReport {
    return this.traffic.report();
  }

  /** Ping the hub now, besides the regular pings: `figures` has its answer when it has come. */
  probe(): void {
    if (this.socket?.readyState === OPEN) this.ping();
  }

  /** Try now instead of waiting for the planned attempt. Does nothing while up or closed. */
  retryNow(): void {
    if (this.current.state !== "closed" && this.socket === null) this.open();
  }

  /** End it for good. */
  close(): void {
    if (this.current.state === "closed") return;
    this.drop(1000, "closed by the client");
    this.finish({ code: 1000, reason: "closed by the client" });
  }

  private open(): void {
    this.cancel("retry");
    if (this.current.retryAt !== null) this.set({ retryAt: null });
    let socket: Socket;
    try {
      socket = this.options.openSocket(this.url);
    } catch (error) {
      this.finish({ code: 0, reason: error instanceof Error ? error.message : String(error) });
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.onOpen();
    socket.onmessage = (event: { data: unknown }) => this.onMessage(event.data);
    socket.onclose = (event: { code: number; reason: string }) => this.onClose(event.code, event.reason);
    socket.onerror = () => {}; // a close always follows
    this.plan("connect", this.options.connectWithin, () => this.abandon(NO_PONG, "took too long to connect"));
  }

  private onOpen(): void {
    this.cancel("connect");
    this.openedAt = this.clock.now();
    this.traffic.reconnected();
    this.channels.resubscribe();
    this.identity.introduce();
    this.planPing();
    this.expectData();
    this.set({ state: "live" });
  }

  private onMessage(text: unknown): void {
    this.cancel("pong");
    const message = parseMessage(text);
    if (message === null) this.options.onMalformed(text);
    if (!message) return;
    this.count(message, String(text).length);
    switch (message.type) {
      case "subscribed":
        if (this.channels.onSubscribed(message)) this.onData();
        break;
      case "authenticated":
        this.identity.onAccepted(message.id);
        break;
      case "price_update":
      case "candle_update":
      case "trade_update":
      case "tickers_update":
      case "stats_update":
      case "token_update":
      case "tokens_update":
      case "bot_created":
      case "bot_update":
      case "bot_deleted":
      case "order_update":
      case "order_filled":
      case "log_created":
      case "pnl_update":
        if (this.channels.onChange(message)) this.onData();
        break;
      case "error": {
        if (this.identity.onError(message)) break;
        const channel = this.channels.onError(message);
        if (channel !== null) {
          this.plan(`again:${channel}`, RETRY_UNAVAILABLE, () => this.channels.retry(channel));
        }
        break;
      }
      default: // system, unsubscribed and pong show that the hub lives, and that is all
    }
  }

  private count(message: HubMessage, characters: number): void {
    const { timestamp } = message as { readonly timestamp?: unknown };
    const now = this.clock.now();
    if (message.type === "pong") this.traffic.ponged(message.id, timestamp, now);
    this.traffic.take("channel" in message ? (message.channel ?? "") : "", characters, timestamp, now);
  }

  private onData(): void {
    // Not through set(): a watcher has no use for a call per message.
    this.current = { ...this.current, lastDataAt: this.clock.now() };
    if (this.current.state === "stale") this.set({ state: "live" });
    this.expectData();
  }

  private onClose(code: number, reason: string): void {
    this.socket = null;
    this.cancelAll();
    const introduced = this.identity.isKnown;
    const again = this.identity.onClose(code === INVALID_TOKEN);
    const held = this.openedAt !== null && this.clock.now() - this.openedAt >= HELD;
    this.openedAt = null;
    // A token that is good no more ends what its user hears, not what everybody may.
    if (code >= 3500 && !(code === INVALID_TOKEN && introduced)) {
      this.finish({ code, reason });
      return;
    }
    const attempts = held ? 0 : this.current.attempts;
    const delay = again ? 0 : retryDelay(attempts, this.options.backoff, this.clock.random());
    this.plan("retry", delay, () => this.open());
    this.set({
      state: networkIsLost() ? "offline" : "reconnecting",
      close: { code, reason },
      attempts: attempts + 1,
      retryAt: this.clock.now() + delay,
    });
  }

  private onNetworkLost(): void {
    if (this.current.state === "reconnecting") this.set({ state: "offline" });
  }

  private planPing(): void {
    this.plan("ping", this.options.pingEvery, () => {
      this.ping();
      this.plan("pong", this.options.pongWithin, () => this.abandon(NO_PONG, "no pong"));
      this.planPing();
    });
  }

  private ping(): void {
    const id = this.channels.takeId();
    this.traffic.pinged(id, this.clock.now());
    this.send({ type: "ping", id });
  }

  private reopen(): void {
    this.drop(OTHER_USER, "somebody else is signed in");
    this.cancelAll();
    this.identity.onClose();
    this.openedAt = null;
    this.set({ state: "connecting" });
    this.open();
  }

  private expectData(): void {
    this.plan("stale", this.options.staleAfter, () => {
      if (this.current.state === "live" && this.channels.size > 0) this.set({ state: "stale" });
    });
  }

  /** Give a socket up without waiting for it: a dead peer would not answer the close either. */
  private abandon(code: number, reason: string): void {
    this.drop(code, reason);
    this.onClose(code, reason);
  }

  private drop(code: number, reason: string): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close(code, reason);
    } catch {
      // A socket that never opened may refuse the code; it is gone either way.
    }
  }

  private finish(close: { code: number; reason: string }): void {
    this.cancelAll();
    this.identity.onClose();
    this.stopNetwork();
    this.set({ state: "closed", close, retryAt: null });
  }

  private send(message: Outgoing): void {
    // What cannot be sent now is asked for again when the socket opens.
    if (this.socket?.readyState === OPEN) this.socket.send(JSON.stringify(message));
  }

  private set(change: Partial<Omit<ConnectionStatus, "since">>): void {
    const moved = change.state !== undefined && change.state !== this.current.state;
    this.current = { ...this.current, ...change, ...(moved && { since: this.clock.now() }) };
    this.watchers.call(this.current);
  }

  private plan(name: string, delay: number, task: () => void): void {
    this.cancel(name);
    this.timers.set(name, this.clock.after(delay, () => {
      this.timers.delete(name);
      task();
    }));
  }

  private cancel(name: string): void {
    this.timers.get(name)?.();
    this.timers.delete(name);
  }

  private cancelAll(): void {
    for (const name of [...this.timers.keys()]) this.cancel(name);
  }
}

function networkIsLost(): boolean {
  return typeof navigator !== "undefined" && navigator.onLine === false;
}

function watchNetwork(onFound: () => void, onLost: () => void): () => void {
  if (typeof addEventListener !== "function" || typeof removeEventListener !== "function") return () => {};
  addEventListener("online", onFound);
  addEventListener("offline", onLost);
  return () => {
    removeEventListener("online", onFound);
    removeEventListener("offline", onLost);
  };
}
