/** A curve as a chart takes it. Drawing is the one place where money becomes a float. Pure. */

export interface CurvePoint {
  /** Unix seconds; ascending, each once. */
  readonly time: number;
  readonly value: number;
}

/** Of what falls into one second the last counts. */
export function curvePoints<T extends { readonly time: string }>(points: readonly T[], valueOf: (point: T) => string): readonly CurvePoint[] {
  const found: CurvePoint[] = [];
  for (const point of points) {
    const time = Math.floor(Date.parse(point.time) / 1000);
    if (Number.isNaN(time)) continue;
    const one = { time, value: Number(valueOf(point)) };
    const last = found.at(-1);
    if (last && last.time === time) found[found.length - 1] = one;
    else if (!last || last.time < time) found.push(one);
  }
  return found;
}
