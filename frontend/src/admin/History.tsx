/** The last minutes in two small charts: what readers took, and what it cost upstream. */

import { niceTop } from "./scale.ts";
import { clockTime, compact } from "../state/format.ts";
import { KEPT, type Sample } from "../state/admin.ts";

const WIDTH = 600;
const HEIGHT = 120;
const SPAN = KEPT * 2_000;

export function History({ samples }: { readonly samples: readonly Sample[] }) {
  return (
    <section class="panel charts" aria-label="The last five minutes">
      <Line id="hits" title="Hits a second" samples={samples} value={({ hitsPerSecond }) => hitsPerSecond} />
      <Line id="upstream" title="Upstream calls in a minute" samples={samples} value={({ upstreamCalls }) => upstreamCalls} />
    </section>
  );
}

interface LineProps {
  readonly id: string;
  readonly title: string;
  readonly samples: readonly Sample[];
  value(sample: Sample): number | null;
}

function Line({ id, title, samples, value }: LineProps) {
  const known = samples.flatMap((sample) => {
    const y = value(sample);
    return y === null ? [] : [{ at: sample.at, y }];
  });
  const last = known.at(-1);
  const top = niceTop(Math.max(0, ...known.map(({ y }) => y)));
  const end = last?.at ?? 0;
  const point = ({ at, y }: { at: number; y: number }): string =>
    `${(WIDTH - ((end - at) / SPAN) * WIDTH).toFixed(1)} ${(HEIGHT - (y / top) * HEIGHT).toFixed(1)}`;
  const line = known.map((one, index) => `${index === 0 ? "M" : "L"}${point(one)}`).join("");
  const first = known[0];
  const area = first && last ? `${line}L${WIDTH} ${HEIGHT}L${point({ at: first.at, y: 0 })}Z` : "";
  const words = last ? `${title}: now ${compact(last.y)}, at most ${compact(Math.max(...known.map(({ y }) => y)))} since ${clockTime(first?.at ?? 0)} UTC` : `${title}: no figures yet`;
  return (
    <figure class="line" data-testid={`chart-${id}`} data-points={known.length}>
      <figcaption><h3>{title}</h3><b>{last ? compact(last.y) : "—"}</b></figcaption>
      <div class="line-plot">
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words}>
          <path class="line-grid" d={`M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}`} />
          <path class="line-area" d={area} />
          <path class="line-stroke" d={line} />
        </svg>
        <span class="line-top" aria-hidden="true">{compact(top)}</span>
        <span class="line-zero" aria-hidden="true">0</span>
      </div>
      <p class="line-axis" aria-hidden="true"><span>5 min ago</span><span>Now</span></p>
    </figure>
  );
}
