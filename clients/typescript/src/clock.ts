/** Time and chance as arguments, so that tests own both. */

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Call `task` once after `delay` ms; the answer cancels it. */
  after(delay: number, task: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delay, task) {
    const timer = setTimeout(task, delay);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
