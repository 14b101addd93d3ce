/** A day in a line the size of a word. */

const WIDTH = 96;
const HEIGHT = 24;
const EDGE = 2;

const paths = new WeakMap<readonly number[], string>();

export function Sparkline({ points }: { readonly points: readonly number[] | null }) {
  if (!points || points.length < 2) return null;
  const rose = (points.at(-1) as number) >= (points[0] as number);
  return (
    <svg class={rose ? "spark up" : "spark down"} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={rose ? "rising" : "falling"}>
      <path d={pathOf(points)} />
    </svg>
  );
}

/** The line through the points; a flat one lies in the middle. */
export function pathOf(points: readonly number[]): string {
  let path = paths.get(points);
  if (path === undefined) {
    const low = Math.min(...points);
    const span = Math.max(...points) - low;
    const step = (WIDTH - 2 * EDGE) / (points.length - 1);
    path = points
      .map((value, index) => {
        const share = span === 0 ? 0.5 : (value - low) / span;
        return `${index === 0 ? "M" : "L"}${(EDGE + index * step).toFixed(1)} ${(HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)).toFixed(1)}`;
      })
      .join("");
    paths.set(points, path);
  }
  return path;
}
