/** A part of the account: what it is on the left, what there is of it on the right. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Asked } from "../state/asked.ts";

interface Props {
  readonly id: string;
  readonly title: string;
  readonly about: ComponentChildren;
  /** What can be done to all of it. */
  readonly buttons?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Section({ id, title, about, buttons, children }: Props) {
  return (
    <section class="settings-part" aria-labelledby={`${id}-title`} data-testid={id}>
      <header>
        <h2 id={`${id}-title`}>{title}</h2>
        <p>{about}</p>
        {buttons && <div class="settings-buttons">{buttons}</div>}
      </header>
      <div class="panel settings-panel">{children}</div>
    </section>
  );
}

interface RowsProps<T> {
  readonly asked: Asked<readonly T[]>;
  /** `sessions`, for sentences. */
  readonly what: string;
  readonly empty: string;
  /** Which of them are shown. */
  shown?(all: readonly T[]): readonly T[];
  row(item: T): ComponentChildren;
}

/** More than these are shown when asked for: a list of a hundred hides what is below it. */
const FEW = 6;

/** Rows, and what can stand in their place: loading, nothing, failed. */
export function Rows<T>({ asked, what, empty, shown = (all) => all, row }: RowsProps<T>) {
  const [whole, setWhole] = useState(false);
  const all = asked.value.value;
  const problem = asked.problem.value;
  if (all === null && problem === null) {
    return (
      <div class="rows-skeleton" role="status" data-testid="loading">
        <span class="sr-only">Loading {what}…</span>
        <i aria-hidden="true" /><i aria-hidden="true" />
      </div>
    );
  }
  const items = shown(all ?? []);
  return (
    <>
      {problem !== null && (
        <p class="rows-problem" role="alert" data-testid="error">
          <span>{all === null ? `Your ${what} could not be loaded: ` : "This may be old: "}{problem}</span>
          <button type="button" class="button quiet small" onClick={() => void asked.load()}>Try again</button>
        </p>
      )}
      {all !== null && items.length === 0 && <p class="rows-none" data-testid="empty">{empty}</p>}
      {items.length > 0 && <ul class="rows">{(whole ? items : items.slice(0, FEW)).map(row)}</ul>}
      {items.length > FEW && (
        <button type="button" class="rows-more" aria-expanded={whole} onClick={() => setWhole(!whole)}>{whole ? "Show fewer" : `Show ${items.length - FEW} more`}</button>
      )}
    </>
  );
}
