/** Who listens to which channel, and what has to be sent for it. Knows no socket. */

import { guarded } from "./status.ts";
import type { ChangeMessage, ErrorMessage, SubscribedMessage } from "./messages.ts";

export type Outgoing =
  | { readonly type: "subscribe" | "unsubscribe"; readonly channel: string; readonly id: number }
  | { readonly type: "ping"; readonly id: number };

export interface Listener {
  onSnapshot(data: unknown): void;
  onChange(data: unknown): void;
  onError?(error: ErrorMessage): void;
}

interface Entry {
  /** The id of the newest `subscribe`; an answer to an older one says nothing any more. */
  id: number;
  /** Listeners that have had their snapshot, and may see changes. */
  readonly ready: Set<Listener>;
  /** Listeners that the answer to `id` serves. */
  readonly waiting: Set<Listener>;
}

export class Channels {
  private readonly entries = new Map<string, Entry>();
  private nextId = 1;

  constructor(private readonly send: (message: Outgoing) => void) {}

  get size(): number {
    return this.entries.size;
  }

  /** A new id, for messages that belong to no channel. */
  takeId(): number {
    return this.nextId++;
  }

  /** Add a listener. It sees a snapshot first, then every change after it. */
  add(channel: string, listener: Listener): void {
    const entry = this.entries.get(channel) ?? { id: 0, ready: new Set(), waiting: new Set() };
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
    this.send({ type: "unsubscribe", channel, id: this.takeId() });
  }

  /** Ask for everything anew, as after a reconnect: every listener gets a fresh snapshot. */
  resubscribe(): void {
    for (const [channel, entry] of this.entries) {
      for (const listener of entry.ready) entry.waiting.add(listener);
      entry.ready.clear();
      this.ask(channel, entry);
    }
  }

  /** Ask for one channel again, if anybody still waits for it. */
  retry(channel: string): void {
    const entry = this.entries.get(channel);
    if (entry && entry.waiting.size > 0) this.ask(channel, entry);
  }

  /** Hand out a snapshot. Answers false if nobody asked for it. */
  onSubscribed(message: SubscribedMessage): boolean {
    const entry = this.entries.get(message.channel);
    if (!entry || (message.id !== undefined && message.id !== entry.id)) return false;
    const served = [...entry.waiting];
    entry.waiting.clear();
    for (const listener of served) entry.ready.add(listener);
    for (const listener of served) guarded(() => listener.onSnapshot(message.data));
    return served.length > 0;
  }

  /** Hand out a change. Answers false if nobody listens to it. */
  onChange(message: ChangeMessage): boolean {
    const entry = this.entries.get(message.channel);
    if (!entry) return false;
    for (const listener of [...entry.ready]) guarded(() => listener.onChange(message.data));
    return entry.ready.size > 0;
  }

  /** Hand out an error. Answers the channel to ask again later, or null. */
  onError(message: ErrorMessage): string | null {
    const channel = message.channel;
    const entry = channel === undefined ? undefined : this.entries.get(channel);
    if (channel === undefined || !entry || (message.id !== undefined && message.id !== entry.id)) return null;
    for (const listener of [...entry.waiting]) guarded(() => listener.onError?.(message));
    return message.code === "unavailable" ? channel : null;
  }

  private ask(channel: string, entry: Entry): void {
    entry.id = this.takeId();
    this.send({ type: "subscribe", channel, id: entry.id });
  }
}
