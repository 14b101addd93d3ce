/** A table of any length, of which only the rows on the screen exist; walked by keyboard as one thing. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { poolSize, type Range, rowsInView, scrollTo } from "../state/window.ts";

export interface TableColumn<T> {
  readonly id: string;
  readonly label: string;
  readonly title?: string;
  /** The list can be sorted by it. */
  readonly sorts?: boolean;
  cell(item: T, index: number): ComponentChildren;
}

interface Props<T> {
  /** Also the class that lays its columns out. */
  readonly name: string;
  readonly label: string;
  readonly items: readonly T[];
  readonly columns: readonly TableColumn<T>[];
  keyOf(item: T): string;
  /** Words for the row's tone, as `data-tone`. */
  toneOf?(item: T): string | undefined;
  onOpen?(item: T): void;
  /** A key on the chosen row; answers whether it meant something. */
  onKey?(key: string, item: T): boolean;
  /** The last rows come into view. */
  onNearEnd?(): void;
  /** How it is sorted, by a column's id. */
  readonly sort?: { readonly by: string; readonly descending: boolean };
  onSort?(by: string): void;
}

/** As in table.css. */
const ROW_HEIGHT = 44;
const PHONE_ROW_HEIGHT = 60;
const PHONE = "(max-width: 760px)";
const EARLY = 20;

export function Table<T>({ name, label, items, columns, keyOf, toneOf, onOpen, onKey, onNearEnd, sort, onSort }: Props<T>) {
  const box = useRef<HTMLDivElement>(null);
  const range = useSignal<Range>({ first: 0, end: 0 });
  const rowHeight = useSignal(matchMedia(PHONE).matches ? PHONE_ROW_HEIGHT : ROW_HEIGHT);
  const pool = useSignal(1);
  const active = useSignal<string | null>(null);
  const latest = useRef({ items, onNearEnd });
  latest.current = { items, onNearEnd };

  const look = (): void => {
    const element = box.current;
    if (!element) return;
    const height = element.clientHeight - headHeight(element);
    const next = rowsInView(element.scrollTop, height, rowHeight.peek(), latest.current.items.length);
    pool.value = poolSize(height, rowHeight.peek());
    const { first, end } = range.peek();
    if (next.first !== first || next.end !== end) range.value = next;
    if (next.end > latest.current.items.length - EARLY) latest.current.onNearEnd?.();
  };

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(look);
    observer.observe(element);
    const phone = matchMedia(PHONE);
    const onPhone = (): void => {
      rowHeight.value = phone.matches ? PHONE_ROW_HEIGHT : ROW_HEIGHT;
      look();
    };
    phone.addEventListener("change", onPhone);
    return () => {
      observer.disconnect();
      phone.removeEventListener("change", onPhone);
    };
  }, []);
  useLayoutEffect(look, [items]);

  const chosen = active.value;
  const activeAt = chosen === null ? -1 : items.findIndex((item) => keyOf(item) === chosen);

  const move = (to: number): void => {
    const at = Math.max(0, Math.min(items.length - 1, to));
    const item = items[at];
    const element = box.current;
    if (item === undefined || !element) return;
    active.value = keyOf(item);
    element.scrollTop = scrollTo(at, element.scrollTop, element.clientHeight - headHeight(element), rowHeight.peek());
    look();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const element = box.current;
    if (!element || event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((element.clientHeight - headHeight(element)) / rowHeight.peek()) - 1);
    const here = activeAt < 0 ? Math.floor(element.scrollTop / rowHeight.peek()) - 1 : activeAt;
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, PageDown: here + page, PageUp: here - page, Home: 0, End: items.length - 1 }[event.key];
    const item = items[activeAt];
    if (to !== undefined) move(to);
    else if (event.key === "Enter" && item !== undefined && onOpen) onOpen(item);
    else if (item === undefined || !onKey?.(event.key, item)) return;
    event.preventDefault();
  };

  const onClick = (event: MouseEvent): void => {
    const target = event.target as Element;
    const index = target.closest<HTMLElement>("[data-index]")?.dataset.index;
    const item = index === undefined ? undefined : items[Number(index)];
    if (item === undefined) return;
    active.value = keyOf(item);
    // What can be pressed inside a row is not the row.
    if (!target.closest("button, a, label, input") && getSelection()?.isCollapsed !== false) onOpen?.(item);
  };

  const { first, end } = range.value;
  const height = rowHeight.value;
  return (
    <div
      class={`table table-${name}`}
      id={`table-${name}`}
      ref={box}
      role="grid"
      tabIndex={0}
      aria-label={label}
      aria-rowcount={items.length + 1}
      aria-colcount={columns.length}
      aria-activedescendant={activeAt >= first && activeAt < end ? `${name}-${activeAt}` : undefined}
      data-opens={onOpen !== undefined}
      data-testid={`table-${name}`}
      onScroll={look}
      onKeyDown={onKeyDown}
    >
      <div class="table-heads" role="row" aria-rowindex={1}>
        {columns.map(({ id, label: text, title, sorts }) => (
          <div key={id} role="columnheader" class={`c-${id}`} title={title} aria-sort={sorts ? sorted(id, sort) : undefined}>
            {sorts ? <button type="button" onClick={() => onSort?.(id)}>{text}<i class="sort" aria-hidden="true" /></button> : text}
          </div>
        ))}
      </div>
      <div class="table-body" role="rowgroup" style={{ height: `${items.length * height}px` }} onClick={onClick}>
        {items.slice(first, end).map((item, offset) => {
          const index = first + offset;
          const key = keyOf(item);
          return (
            <div
              key={index % pool.value}
              id={`${name}-${index}`}
              class="table-row"
              role="row"
              aria-rowindex={index + 2}
              aria-selected={key === chosen}
              data-index={index}
              data-key={key}
              data-tone={toneOf?.(item)}
              style={{ transform: `translateY(${index * height}px)` }}
            >
              {columns.map(({ id, cell }) => <div key={id} role="gridcell" class={`c-${id}`}>{cell(item, index)}</div>)}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function sorted(id: string, sort: Props<unknown>["sort"]): "none" | "ascending" | "descending" {
  return sort?.by !== id ? "none" : sort.descending ? "descending" : "ascending";
}

function headHeight(grid: HTMLElement): number {
  return grid.firstElementChild?.clientHeight ?? 0;
}
