/** Shares of a whole as a ring: the largest in full colour, each next one fainter, the rest grey. */

import type { ComponentChildren } from "preact";

interface Props {
  /** Percent, the largest first; together at most 100. */
  readonly shares: readonly number[];
  readonly label: string;
  readonly children: ComponentChildren;
}

const RADIUS = 42;
const ROUND = 2 * Math.PI * RADIUS;
/** Between two parts, in percent. */
const GAP = 0.6;

export function Donut({ shares, label, children }: Props) {
  let begun = 0;
  const parts = shares.map((share, index) => {
    const start = begun;
    begun += share;
    return { start, length: Math.max(0.15, share - (share > 2 * GAP ? GAP : 0)), index };
  });
  return (
    <div class="donut" role="img" aria-label={label}>
      <svg viewBox="0 0 100 100" aria-hidden="true">
        <circle class="donut-rest" cx="50" cy="50" r={RADIUS} />
        {parts.map(({ start, length, index }) => (
          <circle
            key={index} cx="50" cy="50" r={RADIUS} class="donut-part" style={{ opacity: strengthOf(index, shares.length) }}
            stroke-dasharray={`${((length / 100) * ROUND).toFixed(2)} ${ROUND.toFixed(2)}`}
            stroke-dashoffset={(-(start / 100) * ROUND).toFixed(2)}
          />
        ))}
      </svg>
      <div class="donut-words" aria-hidden="true">{children}</div>
    </div>
  );
}

/** How strong the colour of the one at `index` is. */
export function strengthOf(index: number, count: number): number {
  return Number((1 - (index / Math.max(1, count)) * 0.78).toFixed(2));
}
