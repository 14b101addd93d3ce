/** Keys of exchanges: with them bots trade with real money. */

import type { ExchangeKey } from "@openoutcry/client";
import { useState } from "preact/hooks";
import { Confirm } from "./Confirm.tsx";
import { ExchangeKeySheet } from "./ExchangeKeySheet.tsx";
import type { AccountView } from "./page.tsx";
import { Rows, Section } from "./Section.tsx";
import type { Asked } from "../state/asked.ts";
import { exchangeName } from "../state/credentials.ts";
import { day } from "../state/times.ts";

interface Props {
  readonly view: AccountView;
  readonly keys: Asked<readonly ExchangeKey[]>;
}

export function ExchangeKeys({ view, keys }: Props) {
  const { desk, feed } = view;
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<ExchangeKey | null>(null);
  const there = keys.value.value ?? [];
  const free = desk.config.liveExchanges.filter((exchange) => !there.some((key) => key.exchange === exchange));
  const remove = async ({ id, exchange }: ExchangeKey): Promise<void> => {
    await feed.api.removeExchangeKey(id);
    desk.say(`The key of ${exchangeName(exchange)} is removed.`);
    await keys.load();
  };
  return (
    <Section
      id="exchange-keys" title="Exchange keys"
      about="With one, bots can trade with your real money at that exchange: they place and cancel orders, and read what became of them. A key is encrypted here and never shown again. One for each exchange."
      buttons={free.length > 0 && keys.value.value !== null && <button type="button" class="button small" aria-haspopup="dialog" onClick={() => setAdding(true)}>Add a key</button>}
    >
      <Rows
        asked={keys} what="exchange keys" empty="No key is stored. Bots trade with paper money only."
        row={(key) => (
          <li key={key.id} class="row">
            <div class="row-text">
              <b>{exchangeName(key.exchange)}<span class="badge badge-real">Real money</span></b>
              <small>{[key.name, key.hint && `key ends in ${key.hint}`, `added ${day(key.created_at)}`].filter(Boolean).join(" · ")}</small>
            </div>
            <button type="button" class="button quiet small" aria-haspopup="dialog" aria-label={`Remove the key of ${exchangeName(key.exchange)}`} onClick={() => setRemoving(key)}>Remove</button>
          </li>
        )}
      />
      {adding && <ExchangeKeySheet view={view} exchanges={free} onClose={() => setAdding(false)} />}
      {removing && (
        <Confirm title={`Remove the key of ${exchangeName(removing.exchange)}?`} keep="Keep it" go="Remove" going="Removing…" act={() => remove(removing)} onClose={() => setRemoving(null)}>
          No bot can trade at {exchangeName(removing.exchange)} without it. Stop the bots there first, and see their orders gone. Delete the key at the exchange as well, if you do not need it any more.
        </Confirm>
      )}
    </Section>
  );
}
