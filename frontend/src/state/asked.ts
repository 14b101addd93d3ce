/** Something that is asked for whole, again and again: what was known stays until there is an answer. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { inWords } from "./actions.ts";

export class Asked<T> {
  private readonly shown = signal<T | null>(null);
  private readonly shownProblem = signal<string | null>(null);
  private abort = new AbortController();
  private stopped = false;

  constructor(private readonly ask: (signal: AbortSignal) => Promise<T>) {}

  /** Null before the first answer. */
  get value(): ReadonlySignal<T | null> {
    return this.shown;
  }

  /** Why the newest attempt failed. */
  get problem(): ReadonlySignal<string | null> {
    return this.shownProblem;
  }

  /** An earlier question is given up: its answer would be older. */
  async load(): Promise<void> {
    if (this.stopped) return;
    this.abort.abort();
    const own = (this.abort = new AbortController());
    try {
      const value = await this.ask(own.signal);
      if (own.signal.aborted) return;
      this.shown.value = value;
      this.shownProblem.value = null;
    } catch (error) {
      if (!own.signal.aborted) this.shownProblem.value = inWords(error);
    }
  }

  stop(): void {
    this.stopped = true;
    this.abort.abort();
  }
}
