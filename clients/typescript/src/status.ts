/** The state of a connection, as a value that can be watched. */

/**
 * - `connecting`: the first attempt is under way.
 * - `live`: the hub is there, and data comes.
 * - `stale`: the hub is there, but what is subscribed has been silent for too long.
 * - `reconnecting`: the connection is gone; another attempt is planned or under way.
 * - `offline`: as `reconnecting`, and the browser says that this device has no network.
 * - `closed`: over. Closed here, or by the hub with a code that forbids coming back.
 */
export type ConnectionState = "connecting" | "live" | "stale" | "reconnecting" | "offline" | "closed";

/** Times are in milliseconds since 1970. */
export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** When the state was entered. */
  readonly since: number;
  /** When the last snapshot or change arrived; null before the first. */
  readonly lastDataAt: number | null;
  /** When the next attempt starts; null while none is planned. */
  readonly retryAt: number | null;
  /** Failed attempts since the connection last held. */
  readonly attempts: number;
  /** Why the last connection ended; null before that. */
  readonly close: { readonly code: number; readonly reason: string } | null;
}

/** Whether messages can come in: the socket is open. */
export function isUp(state: ConnectionState): boolean {
  return state === "live" || state === "stale";
}

/** A set of callbacks of which none can keep the others from being called. */
export class Listeners<A extends unknown[]> {
  private readonly all = new Set<(...args: A) => void>();

  add(listener: (...args: A) => void): () => void {
    const own = (...args: A): void => listener(...args);
    this.all.add(own);
    return () => void this.all.delete(own);
  }

  call(...args: A): void {
    for (const listener of [...this.all]) guarded(() => listener(...args));
  }
}

/** Run somebody else's callback; what it throws is reported as uncaught, not passed on to us. */
export function guarded(task: () => void): void {
  try {
    task();
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else queueMicrotask(() => { throw error; });
  }
}
