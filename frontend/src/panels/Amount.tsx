/** An exact number: the usual digits in full strength, those beyond a little quieter. */

import { decimalParts } from "../state/format.ts";

export function Amount({ text, digits }: { readonly text: string; readonly digits: number }) {
  const [main, rest] = decimalParts(text, digits);
  return <>{main}{rest && <span class="beyond">{rest}</span>}</>;
}
