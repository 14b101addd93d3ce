/** The last five minutes of one figure. */

import { niceTop } from "../admin/scale.ts";
import { clockTime, compact } from "../state/format.ts";
import { KEPT } from "../state/monitor.ts";

interface Props {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly samples: readonly { readonly at: number; readonly value: number | null }[];
}

const WIDTH = 600;
const HEIGHT = 120;
const SPAN = KEPT * 1_000;
/** Samples further apart are not of one line: the tab slept, or the hub was gone. */
const APART = 5_000;

export function Trend({ id, title, unit, samples }: Props) {
  const known = samples.flatMap(({ at, value }) => (value === null ? [] : [{ at, value }]));
  const last = known.at(-1);
  const end = samples.at(-1)?.at ?? 0;
  const most = Math.max(0, ...known.map(({ value }) => value));
  const top = niceTop(most);
  const x = (at: number): string => (WIDTH - ((end - at) / SPAN) * WIDTH).toFixed(1);
  const line = known
    .map(({ at, value }, index) => {
      const before = known[index - 1];
      return `${before && at - before.at <= APART ? "L" : "M"}${x(at)} ${(HEIGHT - (value / top) * HEIGHT).toFixed(1)}`;
    })
    .join("");
  const shown = (value: number): string => `${compact(Math.round(value * 10) / 10)}${unit}`;
  const words = last ? `${title}: now ${shown(last.value)}, at most ${shown(most)} since ${clockTime(known[0]?.at ?? 0)} UTC` : `${title}: no figures yet`;
  return (
    <figure class="line" data-testid={`trend-${id}`} data-points={known.length}>
      <figcaption><h3>{title}</h3><b>{last ? shown(last.value) : "—"}</b></figcaption>
      <div class="line-plot">
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words}>
          <path class="line-grid" d={`M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}`} />
          <path class="line-stroke" d={line} />
        </svg>
        <span class="line-top" aria-hidden="true">{shown(top)}</span>
        <span class="line-zero" aria-hidden="true">0</span>
      </div>
      <p class="line-axis" aria-hidden="true"><span>5 min ago</span><span>Now</span></p>
    </figure>
  );
}
