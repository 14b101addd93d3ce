/** A number as the characters that are shown, each with where it rolls from. */

export interface Cell {
  readonly text: string;
  /** The digit that stood here before; null: nothing rolls. */
  readonly from: number | null;
}

/** The number as the locale writes it; in the page's own language if the locale is no language. */
export function format(value: number, locale: string): string {
  try {
    return new Intl.NumberFormat(locale || undefined).format(value);
  } catch {
    return new Intl.NumberFormat().format(value);
  }
}

/**
 * The cells of `text`, compared with `before` from the right: units with units, tens with tens.
 *
 * Digits of other scripts than 0-9 change without rolling.
 */
export function cells(text: string, before: string): Cell[] {
  const now = [...text];
  const then = [...before];
  return now.map((character, index) => {
    const old = then[then.length - now.length + index];
    const rolls = old !== undefined && old !== character && isDigit(old) && isDigit(character);
    return { text: character, from: rolls ? Number(old) : null };
  });
}

function isDigit(character: string): boolean {
  return character >= "0" && character <= "9";
}
