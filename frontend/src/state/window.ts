/** Which rows of a long list are on the screen. Pure. */

export interface Range {
  /** The first row, and the one after the last. */
  readonly first: number;
  readonly end: number;
}

/** So many rows beyond either edge are there already when the list is scrolled. */
const BEYOND = 6;

export function rowsInView(scrollTop: number, height: number, rowHeight: number, count: number): Range {
  const top = Math.floor(scrollTop / rowHeight) - BEYOND;
  const bottom = Math.ceil((scrollTop + height) / rowHeight) + BEYOND;
  const end = Math.max(0, Math.min(count, bottom));
  return { first: Math.max(0, Math.min(top, end)), end };
}

/**
 * How many rows are ever on the screen at once. Row i is drawn by element i modulo this, so that a row
 * scrolled in takes the element of the one scrolled out.
 */
export function poolSize(height: number, rowHeight: number): number {
  return Math.ceil(height / rowHeight) + 1 + 2 * BEYOND;
}

/** Where to scroll so that a row is whole on the screen; unchanged if it is. */
export function scrollTo(index: number, scrollTop: number, height: number, rowHeight: number): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  return top + rowHeight > scrollTop + height ? top + rowHeight - height : scrollTop;
}
