/** The list: thousands of rows, of which only those on the screen exist. */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { HEADS } from "./columns.ts";
import { MarketRow } from "./MarketRow.tsx";
import type { Row } from "../state/board.ts";
import type { MarketsFeed } from "../state/markets.ts";
import type { Sort } from "../state/order.ts";
import type { Ranking } from "../state/ranking.ts";
import { poolSize, type Range, rowsInView, scrollTo } from "../state/window.ts";

interface Props {
  readonly markets: MarketsFeed;
  readonly ranking: Ranking;
  readonly interval: string;
  onOpen(row: Row): void;
}

/** As in markets.css. */
const ROW_HEIGHT = 44;
const PHONE_ROW_HEIGHT = 56;
const PHONE = "(max-width: 760px)";
/** A list that was scrolled keeps its order for so long, ms. */
const AFTER_SCROLL = 1_500;

export function MarketGrid({ markets, ranking, interval, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const range = useSignal<Range>({ first: 0, end: 0 });
  const rowHeight = useSignal(matchMedia(PHONE).matches ? PHONE_ROW_HEIGHT : ROW_HEIGHT);
  const pool = useSignal(1);
  const scrolled = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const rows = ranking.rows.value;
  void markets.revision.value;

  const look = (): void => {
    const element = box.current;
    if (!element) return;
    ranking.scrollTop = element.scrollTop;
    const height = element.clientHeight - headHeight(element);
    const next = rowsInView(element.scrollTop, height, rowHeight.peek(), ranking.rows.peek().length);
    pool.value = poolSize(height, rowHeight.peek());
    const { first, end } = range.peek();
    if (next.first !== first || next.end !== end) range.value = next;
  };

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    element.scrollTop = ranking.scrollTop;
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
  useLayoutEffect(look, [rows]);
  useEffect(() => () => clearTimeout(scrolled.current), []);

  const onScroll = (): void => {
    look();
    ranking.hold("scroll", true);
    clearTimeout(scrolled.current);
    scrolled.current = setTimeout(() => ranking.hold("scroll", false), AFTER_SCROLL);
  };

  const active = ranking.active.value;
  const activeAt = active === null ? -1 : rows.findIndex(({ symbol }) => symbol === active);

  const move = (to: number): void => {
    const at = Math.max(0, Math.min(rows.length - 1, to));
    const row = rows[at];
    const element = box.current;
    if (!row || !element) return;
    ranking.hold("keys", true);
    ranking.active.value = row.symbol;
    element.scrollTop = scrollTo(at, element.scrollTop, element.clientHeight - headHeight(element), rowHeight.peek());
    look();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const element = box.current;
    if (!element || event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((element.clientHeight - headHeight(element)) / rowHeight.peek()) - 1);
    const here = activeAt < 0 ? Math.floor(element.scrollTop / rowHeight.peek()) - 1 : activeAt;
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, PageDown: here + page, PageUp: here - page, Home: 0, End: rows.length - 1 }[event.key];
    const row = rows[activeAt];
    if (to !== undefined) move(to);
    else if (event.key === "Enter" && row) onOpen(row);
    else return;
    event.preventDefault();
  };

  const onClick = (event: MouseEvent): void => {
    // A link that is to be opened elsewhere is the browser's.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const index = (event.target as Element).closest<HTMLElement>("[data-index]")?.dataset.index;
    const row = index === undefined ? undefined : rows[Number(index)];
    if (!row) return;
    event.preventDefault();
    ranking.active.value = row.symbol;
    onOpen(row);
  };

  const { first, end } = range.value;
  const height = rowHeight.value;
  const shown = rows.slice(first, end);
  return (
    <div
      class="grid"
      id="market-grid"
      ref={box}
      role="grid"
      tabIndex={0}
      aria-label="Markets"
      aria-rowcount={rows.length + 1}
      aria-colcount={HEADS.length}
      aria-activedescendant={activeAt >= first && activeAt < end ? `market-${activeAt}` : undefined}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
      onBlur={() => ranking.hold("keys", false)}
      onPointerEnter={(event) => {
        if (event.pointerType === "mouse") ranking.hold("pointer", true);
      }}
      onPointerLeave={() => ranking.hold("pointer", false)}
    >
      <Heads sort={ranking.sort.value} onSort={(by) => ranking.sortBy(by)} />
      <div class="grid-body" role="rowgroup" style={{ height: `${rows.length * height}px` }} onClick={onClick}>
        {shown.map((row, offset) => {
          const index = first + offset;
          return (
            <MarketRow
              key={index % pool.value}
              row={row}
              rev={row.rev}
              index={index}
              top={index * height}
              active={row.symbol === active}
              interval={interval}
            />
          );
        })}
      </div>
    </div>
  );
}

function Heads({ sort, onSort }: { readonly sort: Sort; onSort(by: Sort["by"]): void }) {
  return (
    <div class="heads" role="row" aria-rowindex={1}>
      {HEADS.map(({ by, label, title }) => (
        <div
          key={by}
          role="columnheader"
          class={`m-${by}`}
          aria-sort={sort.by !== by ? "none" : sort.descending ? "descending" : "ascending"}
        >
          <button type="button" title={title} onClick={() => onSort(by)}>
            {label}<i class="sort" aria-hidden="true" />
          </button>
        </div>
      ))}
    </div>
  );
}

function headHeight(grid: HTMLElement): number {
  return grid.firstElementChild?.clientHeight ?? 0;
}
