/** A list from the server and what can stand in its place: loading, empty, failed. */

import { isUp } from "@openoutcry/client";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { inWords } from "../state/actions.ts";
import type { Desk } from "../state/desk.ts";
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
    return <Failed what={what} why={phase.message} onRetry={() => void list.reload()} />;
  }
  if (phase.kind === "loading" && count === 0) return <RowsSkeleton what={what} />;
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

const ROWS = Array.from({ length: 12 }, (_, index) => 90 + ((index * 37) % 70));

/** Rows to be, while nothing is known yet. */
function RowsSkeleton({ what }: { readonly what: string }) {
  return (
    <div class="grid-skeleton table-skeleton" role="status" data-testid="loading">
      <span class="sr-only">Loading {what}…</span>
      {ROWS.map((width, index) => <i key={index} aria-hidden="true"><b style={{ width: `${width}px` }} /><b /><b /></i>)}
    </div>
  );
}

function Failed({ what, why, onRetry }: { readonly what: string; readonly why: string; onRetry(): void }) {
  return (
    <div class="notice" role="alert" data-testid="error">
      <h2>{what.slice(0, 1).toUpperCase() + what.slice(1)} could not be loaded</h2>
      <p>{why}</p>
      <button type="button" class="button" onClick={onRetry}>Try again</button>
    </div>
  );
}

/** The hub has this long to bring what is one's own before REST is asked for it, ms. */
const PATIENCE = 1_500;

/** In the place of what the hub brings, until it does; REST is asked where the hub cannot be heard. */
export function Unready({ desk, what }: { readonly desk: Desk; readonly what: string }) {
  const [problem, setProblem] = useState<string | null>(null);
  const unheard = !isUp(desk.hub.status.value.state) || desk.trading.problem.value !== null;
  const ask = (): void => {
    setProblem(null);
    desk.trading.feed.refetch().catch((error: unknown) => setProblem(inWords(error)));
  };
  useEffect(() => {
    if (!unheard) return;
    const timer = setTimeout(ask, PATIENCE);
    return () => clearTimeout(timer);
  }, [unheard]);
  return problem === null ? <RowsSkeleton what={what} /> : <Failed what={what} why={problem} onRetry={ask} />;
}
