/** Figures of tokens: what is shown has few digits, what stands behind it all of them. */

import { amountText, exactly, priceParts, priceWords } from "../state/ether.ts";

/** A price in ether. A subscript that counts zeros is read aloud as the number that it stands for. */
export function Price({ value }: { readonly value: string | null }) {
  if (value === null) return <span class="none" title="Not traded yet">—</span>;
  const { head, zeros, tail } = priceParts(value);
  return (
    <span title={exactly(value, "ETH")}>
      {zeros === 0 ? head : <><span class="tiny" aria-hidden="true">{head}<sub>{zeros}</sub>{tail}</span><span class="sr-only">{priceWords(value)}</span></>}
    </span>
  );
}

/** An amount with its unit, ether unless said otherwise. */
export function Amount({ value, unit = "ETH" }: { readonly value: string | null; readonly unit?: string }) {
  if (value === null) return <span class="none">—</span>;
  return <span title={exactly(value, unit)}>{amountText(value)} <span class="unit">{unit}</span></span>;
}
