/** Paper money or real: a choice that nobody makes by accident. */

import { AccountApi, type ExchangeKey } from "@openoutcry/client";
import { useEffect, useState } from "preact/hooks";
import { CheckField } from "../app/fields.tsx";
import { PAPER } from "../state/botForm.ts";
import { exchangeName } from "../state/credentials.ts";
import type { Desk } from "../state/desk.ts";

interface Props {
  readonly desk: Desk;
  readonly exchange: string;
  readonly understood: boolean;
  readonly problem: string | undefined;
  onChange(change: { readonly exchange?: string; readonly understood?: boolean }): void;
}

export function Money({ desk, exchange, understood, problem, onChange }: Props) {
  const keys = useExchangeKeys(desk);
  const { liveExchanges } = desk.config;
  const ready = liveExchanges.filter((name) => keys?.some((key) => key.exchange === name));
  const where = exchangeName(exchange);
  return (
    <fieldset class="money wide" data-testid="money">
      <legend>Trades with</legend>
      <div class="segments" role="radiogroup" aria-label="Trades with">
        {[PAPER, ...ready].map((name) => (
          <label key={name} class="segment" data-real={name !== PAPER}>
            <input type="radio" name="exchange" value={name} checked={exchange === name} onChange={() => onChange({ exchange: name, understood: false })} />
            <span>{name === PAPER ? "Paper money" : `Real money at ${exchangeName(name)}`}</span>
          </label>
        ))}
      </div>
      {keys !== null && ready.length === 0 && (
        <small>For real money, first store a key of {liveExchanges.map(exchangeName).join(" or ")} in <a href="#account">your account</a>.</small>
      )}
      {exchange !== PAPER && (
        <div class="form-warning" role="status">
          <p><b>This bot spends your money.</b> It sends real orders to {where} by itself, day and night, for as long as it runs. What it loses is lost: nothing here can be undone, and no limit guards against a sudden jump of the price.</p>
          <CheckField name="understood" label={`Yes, trade with my real money at ${where}`} problem={problem} on={understood} onChange={(on) => onChange({ understood: on })} />
        </div>
      )}
    </fieldset>
  );
}

/** Null until it is known which there are. */
function useExchangeKeys(desk: Desk): readonly ExchangeKey[] | null {
  const [keys, setKeys] = useState<readonly ExchangeKey[] | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    new AccountApi(desk.signedIn.auth).exchangeKeys({ signal: abort.signal }).then(setKeys, () => {});
    return () => abort.abort();
  }, []);
  return keys;
}
