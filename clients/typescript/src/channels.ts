/** Who listens to which channel, and what has to be sent for it. Knows no socket. */

import { guarded } from "./status.ts";
import type { ChangeMessage, ErrorMessage, SubscribedMessage } from "./messages.ts";
import { judge, type Position, positionIn } from "./sequence.ts";

export type Outgoing =
  | { readonly type: "subscribe"; readonly channel: string; readonly id: number; readonly offset?: number; readonly epoch?: string }
  | { readonly type: "unsubscribe"; readonly channel: string; readonly id: number }
  | { readonly type: "auth"; readonly token: string; readonly id: number }
  | { readonly type: "ping"; readonly id: number };

export interface Listener {
  onSnapshot(data: unknown): void;
  onChange(data: unknown): void;
  onError?(error: ErrorMessage): void;
}

/** How a numbered channel has fared. */
export interface ChannelReport {
  readonly channel: string;
  /** Of the last message that was handed out; null before the first snapshot, or where nothing is numbered. */
  readonly position: Position | null;
  /** Whole states that replaced what was known. */
  readonly snapshots: number;
  /** Returns after which nothing but what was missed had to come. */
  readonly recoveries: number;
  /** Jumps of the offset. */
  readonly gaps: number;
}

interface Entry {
  /** The id of the newest `subscribe`; an answer to an older one says nothing any more. */
  id: number;
  /** Whether the answer to `id` is still to come. */
  asking: boolean;
  /** The hub wants to know first who is asking. */
  refused: boolean;
  /** Listeners that have had their snapshot, and may see changes. */
  readonly ready: Set<Listener>;
  /** Listeners that the answer to `id` serves. */
  readonly waiting: Set<Listener>;
  position: Position | null;
  snapshots: number;
  recoveries: number;
  gaps: number;
}

/** Channels of whoever is signed in. Their messages are numbered, and what was missed can be had later. */
const PRIVATE: ReadonlySet<string> = new Set(["user"]);

export class Channels {
  private readonly entries = new Map<string, Entry>();
  private nextId = 1;
  /** Private channels are asked for only once the hub knows who is asking. */
  private known = false;

  constructor(private readonly send: (message: Outgoing) => void) {}

  get size(): number {
    return this.entries.size;
  }

  /** Whether anybody waits for something that only the signed-in may hear. */
  get hasPrivate(): boolean {
    return [...PRIVATE].some((channel) => this.entries.has(channel));
  }

  /** A new id, for messages that belong to no channel. */
  takeId(): number {
    return this.nextId++;
  }

  /** Add a listener. It sees a snapshot first, then every change after it. */
  add(channel: string, listener: Listener): void {
    const entry = this.entries.get(channel) ?? fresh();
    this.entries.set(channel, entry);
    entry.waiting.add(listener);
    // A second listener also asks the hub: only the hub has a snapshot that fits the changes.
    this.ask(channel, entry);
  }

  /** Remove a listener; the last one takes the subscription with it. */
  remove(channel: string, listener: Listener): void {
    const entry = this.entries.get(channel);
    if (!entry) return;
    entry.ready.delete(listener);
    entry.waiting.delete(listener);
    if (entry.ready.size + entry.waiting.size > 0) return;
    this.entries.delete(channel);
    if (this.mayAsk(channel)) this.send({ type: "unsubscribe", channel, id: this.takeId() });
  }

  /**
   * Ask for everything anew, as after a reconnect. Listeners get a fresh snapshot; those of a numbered
   * channel go on from its position instead, if the hub still has what they missed. Private channels
   * wait for `identified`.
   */
  resubscribe(): void {
    this.known = false;
    for (const [channel, entry] of this.entries) this.askAgain(channel, entry);
  }

  /** The hub knows who is asking. */
  identified(): void {
    this.known = true;
    for (const [channel, entry] of this.entries) {
      // A hub may want to know who is asking for anything at all.
      if (entry.refused || (PRIVATE.has(channel) && !entry.asking)) this.askAgain(channel, entry);
    }
  }

  /** Somebody else is asking from now on, or nobody: nothing that was known is theirs. */
  disowned(): void {
    this.known = false;
    for (const [channel, entry] of this.entries) {
      if (!PRIVATE.has(channel)) continue;
      Object.assign(entry, { position: null, asking: false, id: 0 });
      for (const listener of entry.ready) entry.waiting.add(listener);
      entry.ready.clear();
    }
  }

  /** Ask for one channel again, if anybody still waits for it. */
  retry(channel: string): void {
    const entry = this.entries.get(channel);
    if (entry && (entry.waiting.size > 0 || entry.asking)) this.ask(channel, entry);
  }

  /** Hand out a snapshot. Answers false if nobody asked for it. */
  onSubscribed(message: SubscribedMessage): boolean {
    const entry = this.entries.get(message.channel);
    if (!entry || (message.id !== undefined && message.id !== entry.id)) return false;
    entry.asking = false;
    if (message.recovered === true) {
      entry.recoveries += 1;
      return true;
    }
    const numbered = positionIn(message);
    // A state that replaces everything is everybody's; and the numbers go on from it for all.
    const served = numbered ? [...entry.ready, ...entry.waiting] : [...entry.waiting];
    entry.position = numbered;
    entry.snapshots += 1;
    entry.waiting.clear();
    for (const listener of served) entry.ready.add(listener);
    for (const listener of served) guarded(() => listener.onSnapshot(message.data));
    return served.length > 0;
  }

  /** Hand out a change. Answers false if nobody listens to it. */
  onChange(message: ChangeMessage): boolean {
    const entry = this.entries.get(message.channel);
    if (!entry) return false;
    if (PRIVATE.has(message.channel) && !this.isDue(message, entry)) return entry.ready.size > 0;
    const payload = PRIVATE.has(message.channel) ? message : message.data;
    for (const listener of [...entry.ready]) guarded(() => listener.onChange(payload));
    return entry.ready.size > 0;
  }

  /** Hand out an error. Answers the channel to ask again later, or null. */
  onError(message: ErrorMessage): string | null {
    const channel = message.channel;
    const entry = channel === undefined ? undefined : this.entries.get(channel);
    if (channel === undefined || !entry || (message.id !== undefined && message.id !== entry.id)) return null;
    for (const listener of [...entry.ready, ...entry.waiting]) {
      if (entry.waiting.has(listener) || PRIVATE.has(channel)) guarded(() => listener.onError?.(message));
    }
    if (message.code === "unavailable") return channel;
    entry.asking = false;
    entry.refused = message.code === "unauthorized";
    return null;
  }

  /** How the numbered channels have fared. */
  report(): readonly ChannelReport[] {
    return [...this.entries]
      .filter(([channel]) => PRIVATE.has(channel))
      .map(([channel, { position, snapshots, recoveries, gaps }]) => ({ channel, position, snapshots, recoveries, gaps }));
  }

  /** Whether a numbered message is the one that comes next. A hole is asked for; what is beyond it comes again then. */
  private isDue(message: ChangeMessage, entry: Entry): boolean {
    const position = positionIn(message as { offset?: unknown; epoch?: unknown });
    if (!position || !entry.position) return false;
    const verdict = judge(entry.position, position);
    if (verdict === "next") entry.position = position;
    if (verdict === "reset") entry.position = null;
    if (verdict === "gap") entry.gaps += entry.asking ? 0 : 1;
    if ((verdict === "gap" || verdict === "reset") && !entry.asking) this.askAgain(message.channel, entry);
    return verdict === "next";
  }

  private askAgain(channel: string, entry: Entry): void {
    if (!PRIVATE.has(channel)) {
      for (const listener of entry.ready) entry.waiting.add(listener);
      entry.ready.clear();
    }
    this.ask(channel, entry);
  }

  private ask(channel: string, entry: Entry): void {
    entry.asking = entry.refused = false;
    if (!this.mayAsk(channel)) return;
    entry.id = this.takeId();
    entry.asking = true;
    // Who has had nothing yet needs a snapshot; the others only what they missed.
    const from = entry.waiting.size === 0 ? entry.position : null;
    this.send({ type: "subscribe", channel, id: entry.id, ...from });
  }

  private mayAsk(channel: string): boolean {
    return this.known || !PRIVATE.has(channel);
  }
}

function fresh(): Entry {
  return { id: 0, asking: false, refused: false, ready: new Set(), waiting: new Set(), position: null, snapshots: 0, recoveries: 0, gaps: 0 };
}
