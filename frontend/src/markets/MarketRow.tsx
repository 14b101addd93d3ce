/** One market of the list. Drawn again only when it changed or something else stands in its place. */

import { Component } from "preact";
import { Sparkline } from "./Sparkline.tsx";
import type { Row } from "../state/board.ts";
import { compact, decimal, percent } from "../state/format.ts";
import { writeHash } from "../state/hash.ts";

interface Props {
  readonly row: Row;
  /** The row's own count of changes: the object stays the same. */
  readonly rev: number;
  readonly index: number;
  readonly top: number;
  readonly active: boolean;
  readonly interval: string;
}

/** A move is shown for so long, ms; a row that comes into view later does not flash for it. */
const FLASH = 900;

export class MarketRow extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    const now = this.props;
    return next.rev !== now.rev || next.row !== now.row || next.index !== now.index || next.top !== now.top
      || next.active !== now.active || next.interval !== now.interval;
  }

  override render({ row, index, top, active, interval }: Props) {
    const { symbol, base, quote, change } = row;
    const name = <><b>{base}</b><span class="slash">/{quote}</span></>;
    return (
      <div
        id={`market-${index}`}
        class="market"
        role="row"
        aria-rowindex={index + 2}
        aria-selected={active}
        data-index={index}
        data-symbol={symbol}
        data-carried={row.carried}
        style={{ transform: `translateY(${top}px)` }}
      >
        <div role="gridcell" class="m-symbol">
          {row.carried ? <a href={writeHash({ symbol, interval })} tabIndex={-1}>{name}</a> : <span>{name}</span>}
        </div>
        <div role="gridcell" class="m-price"><span class={flashOf(row)}>{decimal(row.price, row.digits)}</span></div>
        <div role="gridcell" class={`m-change ${change > 0 ? "up" : change < 0 ? "down" : ""}`}>{Number.isNaN(change) ? "—" : percent(change)}</div>
        <div role="gridcell" class="m-volume">{Number.isNaN(row.volume) ? "—" : compact(row.volume)} <span class="unit">{quote}</span></div>
        <div role="gridcell" class="m-high">{row.high === "" ? "—" : decimal(row.high, row.digits)}</div>
        <div role="gridcell" class="m-low">{row.low === "" ? "—" : decimal(row.low, row.digits)}</div>
        <div role="gridcell" class="m-trend"><Sparkline points={row.sparkline} /></div>
      </div>
    );
  }
}

/** Two names for the same animation: a second move in the same direction has to start it anew. */
function flashOf(row: Row): string {
  if (row.moved === null || Date.now() - row.movedAt > FLASH) return "flash";
  return `flash flash-${row.moved} ${row.rev % 2 === 0 ? "even" : "odd"}`;
}
