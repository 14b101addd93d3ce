/** A list from the server and what can stand in its place: loading, empty, failed. */

import type { ComponentChildren } from "preact";
import type { Paged } from "../state/paged.ts";

interface Props<T> {
  readonly list: Paged<T>;
  /** How many of it are shown. */
  readonly count: number;
  /** `orders`, for sentences. */
  readonly what: string;
  readonly empty: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Listing<T>({ list, count, what, empty, children }: Props<T>) {
  const phase = list.phase.value;
  const older = list.older.value;
  if (phase.kind === "error" && count === 0) {
    return (
      <div class="notice" role="alert" data-testid="error">
        <h2>{what.slice(0, 1).toUpperCase() + what.slice(1)} could not be loaded</h2>
        <p>{phase.message}</p>
        <button type="button" class="button" onClick={() => void list.reload()}>Try again</button>
      </div>
    );
  }
  if (phase.kind === "loading" && count === 0) return <p class="sr-only" role="status">Loading {what}…</p>;
  if (count === 0 && older !== "idle") return <div class="notice" role="status" data-testid="empty">{empty}</div>;
  return (
    <>
      {children}
      {older === "error" && (
        <p class="history" role="alert">Older {what} could not be loaded. <button type="button" onClick={() => void list.more()}>Try again</button></p>
      )}
    </>
  );
}
