/** How long to wait before the next attempt. */

export interface Backoff {
  /** The most that the first retry waits, ms. */
  readonly base: number;
  /** The most that any retry waits, ms. */
  readonly max: number;
}

/**
 * Exponential backoff with full jitter: anywhere in [0, min(max, base × 2^attempt)).
 *
 * A hub that restarts meets its clients spread over the whole window instead of all at once.
 * `attempt` counts from 0; `random` is in [0, 1).
 */
export function retryDelay(attempt: number, backoff: Backoff, random: number): number {
  const ceiling = Math.min(backoff.max, backoff.base * 2 ** Math.min(attempt, 30));
  return Math.round(random * ceiling);
}
