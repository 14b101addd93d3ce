/** Volume by the hour: what was bought and what was sold, one bar an hour, read out under the pointer or by arrow keys. */

import type { TradedHour } from "@openoutcry/client";
import { useState } from "preact/hooks";
import { niceTop } from "../admin/scale.ts";
import { amountText } from "../state/ether.ts";
import { bucketTime } from "../state/format.ts";

interface Props {
  readonly title: string;
  readonly id: string;
  /** Ascending, without holes. */
  readonly hours: readonly TradedHour[];
}

const HEIGHT = 100;
const HOUR = 3_600;
/** Of its place, a bar is so wide. */
const BAR = 0.74;

export function HourBars({ title, id, hours }: Props) {
  const [at, setAt] = useState<number | null>(null);
  const chosen = at === null ? null : (hours[at] ?? null);
  const top = niceScale(Math.max(0, ...hours.map(({ volume }) => Number(volume))));
  const height = (volume: string): number => (Number(volume) / top) * HEIGHT;
  const total = hours.reduce((sum, { volume }) => sum + Number(volume), 0);
  const last = hours.length - 1;

  const onKeyDown = (event: KeyboardEvent): void => {
    const here = at ?? last + 1;
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) setAt(Math.max(0, Math.min(last, to)));
    else if (event.key === "Escape") setAt(null);
    else return;
    event.preventDefault();
  };
  const onPointer = (event: PointerEvent): void => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    setAt(Math.max(0, Math.min(last, Math.floor(((event.clientX - box.left) / box.width) * hours.length))));
  };

  return (
    <figure class="hours" data-testid={`hours-${id}`} data-hours={hours.length}>
      <figcaption>
        <h3>{title}</h3>
        <p aria-live="polite">{chosen ? <Reading hour={chosen} /> : <b>{amountText(total)} <span class="unit">ETH</span></b>}</p>
      </figcaption>
      <div
        class="hours-plot" role="group" aria-roledescription="bar chart" tabIndex={0}
        aria-label={`${title}: ${amountText(total)} ETH in ${hours.length} hours, at most ${amountText(Math.max(0, ...hours.map(({ volume }) => Number(volume))))} in one`}
        onKeyDown={onKeyDown} onBlur={() => setAt(null)} onPointerMove={onPointer} onPointerLeave={() => setAt(null)}
      >
        <svg viewBox={`0 0 ${hours.length} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path class="line-grid" d={`M0 0H${hours.length}M0 ${HEIGHT / 2}H${hours.length}M0 ${HEIGHT}H${hours.length}`} />
          {at !== null && <rect class="hours-at" x={at} y={0} width={1} height={HEIGHT} />}
          <path class="hours-sold" d={hours.map((hour, index) => bar(index, height(hour.buyVolume), height(hour.volume))).join("")} />
          <path class="hours-bought" d={hours.map((hour, index) => bar(index, 0, height(hour.buyVolume))).join("")} />
        </svg>
        <span class="line-top" aria-hidden="true">{amountText(top)}</span>
      </div>
      <p class="line-axis" aria-hidden="true"><span>{labelOf(hours[0])}</span><span>{labelOf(hours[Math.floor(last / 2)])}</span><span>Now</span></p>
    </figure>
  );
}

function Reading({ hour: { time, volume, trades, buyVolume } }: { readonly hour: TradedHour }) {
  const bought = Number(volume) === 0 ? null : Math.round((Number(buyVolume) / Number(volume)) * 100);
  return (
    <>
      <span class="hours-time">{bucketTime(time / 1000, HOUR)}</span> <b>{amountText(volume)} <span class="unit">ETH</span></b>{" "}
      <span class="hours-time">{trades.toLocaleString()} {trades === 1 ? "trade" : "trades"}{bought !== null && `, ${bought}% bought`}</span>
    </>
  );
}

function bar(index: number, from: number, to: number): string {
  if (to <= from) return "";
  const left = (index + (1 - BAR) / 2).toFixed(3);
  return `M${left} ${(HEIGHT - from).toFixed(2)}V${(HEIGHT - to).toFixed(2)}h${BAR}V${(HEIGHT - from).toFixed(2)}Z`;
}

function labelOf(hour: TradedHour | undefined): string {
  return hour ? bucketTime(hour.time / 1000, HOUR) : "";
}

/** As `niceTop`, for small figures too: a token may be traded for thousandths of an ether. */
export function niceScale(most: number): number {
  if (most <= 0) return 1;
  if (most > 1) return niceTop(most);
  const power = 10 ** Math.floor(Math.log10(most));
  return Number((power * niceTop(most / power)).toPrecision(3));
}
