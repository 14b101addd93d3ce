/** A curve with its name, its newest value, and words for who cannot see it. */

import { useEffect, useRef } from "preact/hooks";
import { type CurveKind, CurvePlot } from "./curvePlot.ts";
import { useScheme } from "../chart/scheme.ts";
import type { CurvePoint } from "../state/curve.ts";
import { gain, money, toneOf } from "../state/money.ts";
import { stamp } from "../state/times.ts";

interface Props {
  readonly kind: CurveKind;
  readonly title: string;
  readonly points: readonly CurvePoint[];
  readonly currency: string;
}

export function CurvePanel({ kind, title, points, currency }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<CurvePlot | null>(null);
  const some = points.length > 1;
  const scheme = useScheme();
  useEffect(() => {
    if (!holder.current || !some) return;
    plot.current = new CurvePlot(holder.current, kind);
    return () => {
      plot.current?.remove();
      plot.current = null;
    };
  }, [some, kind, scheme]);
  useEffect(() => plot.current?.draw(points), [points, some, scheme]);

  const first = points[0];
  const last = points.at(-1);
  const value = (point: CurvePoint): string => (kind === "pnl" ? gain(String(point.value), currency) : money(String(point.value), currency));
  return (
    <figure class="panel curve" data-testid={`curve-${kind}`} data-points={points.length}>
      <figcaption>
        <h3>{title}</h3>
        {last && <b class={kind === "pnl" ? toneOf(String(last.value), currency) : ""}>{value(last)} <span class="unit">{currency}</span></b>}
      </figcaption>
      {some ? <div class="curve-plot" ref={holder} aria-hidden="true" /> : <p class="curve-none">{kind === "pnl" ? "The curve begins with the second fill." : "The curve begins with the second sample."}</p>}
      {first && last && some && (
        <p class="sr-only">{title} from {value(first)} at {stamp(new Date(first.time * 1000).toISOString())} to {value(last)} {currency} at {stamp(new Date(last.time * 1000).toISOString())} UTC.</p>
      )}
    </figure>
  );
}
