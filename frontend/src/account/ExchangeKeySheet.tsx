/** A key of an exchange goes in; what it may do is said before it does. */

import { useRef, useState } from "preact/hooks";
import type { AccountView } from "./page.tsx";
import { CheckField, Field, SelectField } from "../app/fields.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { inWords } from "../state/actions.ts";
import { exchangeName } from "../state/credentials.ts";

interface Props {
  readonly view: AccountView;
  /** Those without a key. */
  readonly exchanges: readonly string[];
  onClose(): void;
}

type Problems = Readonly<Partial<Record<"api_key" | "secret" | "understood", string>>>;

export function ExchangeKeySheet({ view: { desk, feed }, exchanges, onClose }: Props) {
  const [exchange, setExchange] = useState(exchanges[0] ?? "");
  const [name, setName] = useState("");
  const [key, setKey] = useState("");
  const [secret, setSecret] = useState("");
  const [understood, setUnderstood] = useState(false);
  const [shown, setShown] = useState<Problems>({});
  const [rest, setRest] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  const add = async (): Promise<void> => {
    if (busy) return;
    const wrong: Problems = {
      ...(key.trim() === "" && { api_key: "Needed." }),
      ...(secret.trim() === "" && { secret: "Needed." }),
      ...(!understood && { understood: "Tick this to go on." }),
    };
    setShown(wrong);
    setRest(null);
    if (Object.keys(wrong).length > 0) {
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    setBusy(true);
    try {
      await feed.api.addExchangeKey({ exchange, name: name.trim() || "trading", api_key: key.trim(), secret: secret.trim() });
      await feed.exchangeKeys?.load();
      desk.say(`The key of ${exchangeName(exchange)} is stored. Bots still trade with paper money unless you say otherwise for each.`);
      onClose();
    } catch (error) {
      setRest(inWords(error));
      setBusy(false);
    }
  };

  const where = exchangeName(exchange);
  return (
    <Sheet label="Add an exchange key" onClose={onClose}>
      <form
        class="form" ref={form} noValidate aria-busy={busy} autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <div class="form-warning">
          <p>Make a key at {where} for this alone:</p>
          <ul>
            <li><b>Spot trading</b> allowed: bots place and cancel orders with your money.</li>
            <li><b>Withdrawals</b> not allowed: nothing here needs them.</li>
            <li><b>Only from this server’s address</b>, so that a stolen key is of no use elsewhere.</li>
          </ul>
        </div>
        {exchanges.length > 1 && <SelectField name="exchange" label="Exchange" value={exchange} options={exchanges.map((one) => [one, exchangeName(one)])} onChange={setExchange} />}
        <Field name="api_key" label={`${where} API key`} value={key} problem={shown.api_key} most={512} autofocus onInput={setKey} />
        <Field name="secret" label="Secret" value={secret} problem={shown.secret} most={4096} secret="new-password" onInput={setSecret} />
        <Field name="key_name" label="Name (optional)" value={name} placeholder="trading" most={60} onInput={setName} />
        <CheckField
          name="understood" label="This key may not withdraw" problem={shown.understood} on={understood} onChange={setUnderstood}
          hint="Whoever can trade with it can still lose all that is in the account."
        />
        {rest && <p class="form-problem" role="alert">{rest}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose}>Cancel</button>
          <button type="submit" class="button" disabled={busy}>{busy ? "Storing…" : "Store the key"}</button>
        </div>
      </form>
    </Sheet>
  );
}
