/** The one connection that all pages share, as signals. */

import { type Connection, connect, type ConnectionStatus } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";

/** One second for the first retry: somebody is looking. */
const BACKOFF = { base: 1_000, max: 30_000 };

export class Hub {
  readonly connection: Connection;
  readonly status: ReadonlySignal<ConnectionStatus>;
  /** The time in ms, for countdowns; it moves only while the connection is not live. */
  readonly now: ReadonlySignal<number>;
  private readonly end: () => void;

  constructor(url: string) {
    const { connection, release } = connect(url, { backoff: BACKOFF });
    const status = signal(connection.status);
    const now = signal(Date.now());
    this.connection = connection;
    this.status = status;
    this.now = now;
    const ticking = setInterval(() => {
      if (status.value.state !== "live") now.value = Date.now();
    }, 250);
    const unwatch = connection.watch((value) => {
      now.value = Date.now();
      status.value = value;
    });
    this.end = () => {
      unwatch();
      clearInterval(ticking);
      release();
    };
  }

  retryNow(): void {
    this.connection.retryNow();
  }

  stop(): void {
    this.end();
  }
}
