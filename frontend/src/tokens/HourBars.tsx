/** Volume by the hour: what was bought and what was sold, one bar an hour, read out under the pointer or by arrow keys. */

import type { TradedHour } from "@openoutcry/client";
import { useState } from "preact/hooks";
import { amountText } from "../state/ether.ts";
import { bucketTime, compact } from "../state/format.ts";

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
  const most = Math.max(0, ...hours.map(({ volume }) => Number(volume)));
  const top = niceScale(most);
  const height = (volume: string): number => (Number(volume) / top) * HEIGHT;
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
        <p aria-live="polite">{chosen ? <Reading hour={chosen} /> : <><span class="hours-time">Busiest hour</span> <b>{amountText(most)} <span class="unit">ETH</span></b></>}</p>
      </figcaption>
      <div
        class="hours-plot" role="group" aria-roledescription="bar chart" tabIndex={0}
        aria-label={`${title}, ${hours.length} hours, at most ${amountText(most)} ETH in one; arrow keys read them out`}
        onKeyDown={onKeyDown} onBlur={() => setAt(null)} onPointerMove={onPointer} onPointerLeave={() => setAt(null)}
      >
        <svg viewBox={`0 0 ${hours.length} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path class="line-grid" d={`M0 0H${hours.length}M0 ${HEIGHT / 2}H${hours.length}M0 ${HEIGHT}H${hours.length}`} />
          {at !== null && <rect class="hours-at" x={at} y={0} width={1} height={HEIGHT} />}
          <path class="hours-sold" d={hours.map((hour, index) => bar(index, height(hour.buyVolume), height(hour.volume))).join("")} />
          <path class="hours-bought" d={hours.map((hour, index) => bar(index, 0, height(hour.buyVolume))).join("")} />
        </svg>
        <span class="line-top" aria-hidden="true">{compact(top)}</span>
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

const STEPS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** The scale's end: a round figure not far above the largest, however small that is. */
export function niceScale(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return Number((power * (STEPS.find((step) => step * power >= most) ?? 10)).toPrecision(3));
}
