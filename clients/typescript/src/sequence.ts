/** Where in a numbered stream of messages a client is, and whether the next one follows. Pure. */

/** Offsets count up by one for as long as the epoch stays; a new epoch numbers anew. */
export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

/**
 * - `next`: the one that was due. - `seen`: had before. - `gap`: something between is missing.
 * - `reset`: of another epoch, so that nothing known says anything about it.
 */
export type Verdict = "next" | "seen" | "gap" | "reset";

export function judge(here: Position, message: Position): Verdict {
  if (message.epoch !== here.epoch) return "reset";
  if (message.offset <= here.offset) return "seen";
  return message.offset === here.offset + 1 ? "next" : "gap";
}

/** The position that a message names; null if it names none. */
export function positionIn(message: { readonly offset?: unknown; readonly epoch?: unknown }): Position | null {
  const { offset, epoch } = message;
  return typeof offset === "number" && Number.isSafeInteger(offset) && typeof epoch === "string" ? { offset, epoch } : null;
}
