/** The newest trades of one symbol, newest first. */

import type { Connection, Trade } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";
import { coalesce } from "./coalesce.ts";

export const TAPE_LENGTH = 50;

export interface Tape {
  /** Newest first; null until the first snapshot. */
  readonly trades: ReadonlySignal<readonly Trade[] | null>;
  stop(): void;
}

/** Put trades (newest last) on top of the tape (newest first); what is on it already stays once. */
export function onTop(tape: readonly Trade[], trades: readonly Trade[]): readonly Trade[] {
  const newest = tape[0]?.id ?? Number.NEGATIVE_INFINITY;
  const fresh = trades.filter((trade) => trade.id > newest).slice(-TAPE_LENGTH).reverse();
  return fresh.length === 0 ? tape : [...fresh, ...tape].slice(0, TAPE_LENGTH);
}

export function followTrades(connection: Connection, symbol: string): Tape {
  const shown = signal<readonly Trade[] | null>(null);
  let tape: readonly Trade[] = [];
  const show = coalesce(100, () => {
    shown.value = tape;
  });
  const unsubscribe = connection.subscribe(
    `trade:${symbol}`,
    ({ trades }) => {
      tape = onTop([], trades);
      show();
    },
    ({ trades }) => {
      tape = onTop(tape, trades);
      show();
    },
  );
  return {
    trades: shown,
    stop() {
      unsubscribe();
      show.cancel();
    },
  };
}
