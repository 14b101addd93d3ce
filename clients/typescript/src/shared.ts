/** One connection per URL, however many parts of a page ask for it. */

import { Connection, type ConnectionOptions } from "./connection.ts";

interface Shared {
  readonly connection: Connection;
  users: number;
}

const open = new Map<string, Shared>();

/** A share of a connection: use `connection`, then `release()`; the last one to do so closes it. */
export interface Lease {
  readonly connection: Connection;
  release(): void;
}

/**
 * Join the connection to `url`, opening it if nobody has.
 *
 * The options of whoever opens it count. A connection that is over is replaced by a new one.
 */
export function connect(url: string, options?: ConnectionOptions): Lease {
  let shared = open.get(url);
  if (!shared || shared.connection.status.state === "closed") {
    shared = { connection: new Connection(url, options), users: 0 };
    open.set(url, shared);
  }
  const joined = shared;
  joined.users += 1;
  let held = true;
  return {
    connection: joined.connection,
    release() {
      if (!held) return;
      held = false;
      joined.users -= 1;
      if (joined.users > 0) return;
      joined.connection.close();
      if (open.get(url) === joined) open.delete(url);
    },
  };
}
