/** Where a chart's scale ends. */

/** The next of 1, 2, 5, 10, 20… so that the scale does not jump with every sample. */
export function niceTop(most: number): number {
  if (most <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return power * ([1, 2, 5, 10].find((step) => step * power >= most) ?? 10);
}
