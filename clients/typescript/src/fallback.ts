/** Asking again every minute while the hub cannot be heard. */

import { type Clock, systemClock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { isUp } from "./status.ts";

export interface FallbackOptions {
  /** ms between calls. */
  readonly every?: number;
  readonly clock?: Clock;
}

/** Call `refetch` every 60 s for as long as the connection is down. The answer ends it. */
export function whileDown(
  connection: Pick<Connection, "watch">,
  refetch: () => void,
  { every = 60_000, clock = systemClock }: FallbackOptions = {},
): () => void {
  let cancel: (() => void) | null = null;
  const plan = (): void => {
    cancel = clock.after(every, () => {
      plan();
      refetch();
    });
  };
  const stop = (): void => {
    cancel?.();
    cancel = null;
  };
  const unwatch = connection.watch(({ state }) => {
    if (isUp(state)) stop();
    else if (cancel === null) plan();
  });
  return () => {
    unwatch();
    stop();
  };
}
