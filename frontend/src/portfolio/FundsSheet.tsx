/** Paper money in, or out again. */

import { useRef, useState } from "preact/hooks";
import { Field, SelectField } from "../app/fields.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { inWords } from "../state/actions.ts";
import type { Desk } from "../state/desk.ts";
import { decimal } from "../state/format.ts";
import { freeAfter, freeOf, fundable, fundsAmount, fundsProblem, type FundsValues } from "../state/funds.ts";
import type { Holdings } from "../state/holdings.ts";

interface Props {
  readonly desk: Desk;
  readonly holdings: Holdings;
  onFunded(): void;
  onClose(): void;
}

export function FundsSheet({ desk, holdings: { portfolio }, onFunded, onClose }: Props) {
  const assets = fundable(portfolio.currency, desk.config.symbols.flatMap(({ base, quote }) => [quote, base]), portfolio.balances);
  const [values, setValues] = useState<FundsValues>({ asset: portfolio.currency, way: "in", amount: "" });
  const [problem, setProblem] = useState<string | undefined>();
  const [rest, setRest] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const { asset, way } = values;
  const free = freeOf(portfolio.balances, asset);
  const after = freeAfter(values, free);
  const set = (change: Partial<FundsValues>): void => {
    setProblem(undefined);
    setRest(null);
    setValues({ ...values, ...change });
  };

  const send = async (): Promise<void> => {
    if (busy) return;
    const wrong = fundsProblem(values, free);
    setRest(null);
    if (wrong !== null) {
      setProblem(wrong);
      form.current?.querySelector<HTMLElement>("[name=amount]")?.focus();
      return;
    }
    setBusy(true);
    try {
      const amount = fundsAmount(values);
      await desk.trading.api.fund(asset, amount);
      onFunded();
      desk.say(`${decimal(amount.replace("-", ""))} ${asset} ${way === "in" ? "added." : "taken out."}`);
      onClose();
    } catch (error) {
      setRest(inWords(error));
      setBusy(false);
    }
  };

  return (
    <Sheet label="Add or take out funds" title="Paper money" onClose={onClose}>
      <form
        class="form" ref={form} noValidate aria-busy={busy}
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <div class="segments" role="radiogroup" aria-label="What to do">
          {(["in", "out"] as const).map((one) => (
            <label key={one} class="segment">
              <input type="radio" name="way" value={one} checked={way === one} onChange={() => set({ way: one })} />
              <span>{one === "in" ? "Add" : "Take out"}</span>
            </label>
          ))}
        </div>
        <SelectField name="asset" label="Asset" value={asset} options={assets.map((one) => [one, one])} onChange={(one) => set({ asset: one })} />
        <Field name="amount" label="Amount" value={values.amount} numeric unit={asset} problem={problem} most={40} autofocus onInput={(amount) => set({ amount })} />
        <dl class="sum-up">
          <div><dt>Free now</dt><dd>{decimal(free)} <span class="unit">{asset}</span></dd></div>
          <div><dt>Afterwards</dt><dd data-testid="after">{after === null ? "—" : <>{decimal(after)} <span class="unit">{asset}</span></>}</dd></div>
        </dl>
        {way === "out" && free !== "0" && <button type="button" class="rows-more" onClick={() => set({ amount: free })}>Take out all that is free</button>}
        <p class="form-note">It is not real, and does not count as earned: PnL stays what it is. What bots hold and what their orders need cannot be taken out.</p>
        {rest && <p class="form-problem" role="alert">{rest}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose}>Cancel</button>
          <button type="submit" class="button" disabled={busy}>{busy ? "Sending…" : way === "in" ? "Add" : "Take out"}</button>
        </div>
      </form>
    </Sheet>
  );
}
