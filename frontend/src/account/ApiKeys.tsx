/** The keys of one's own programs. */

import type { ApiKeyInfo } from "@openoutcry/client";
import { useState } from "preact/hooks";
import { Confirm } from "./Confirm.tsx";
import { NewKeySheet } from "./NewKeySheet.tsx";
import type { AccountView } from "./page.tsx";
import { Rows, Section } from "./Section.tsx";
import { endOf, SCOPE_WORDS, stateOf } from "../state/credentials.ts";
import { ago, day } from "../state/times.ts";

interface Props {
  readonly view: AccountView;
  readonly isAdmin: boolean;
}

export function ApiKeys({ view, isAdmin }: Props) {
  const { desk, feed } = view;
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<ApiKeyInfo | null>(null);
  const [all, setAll] = useState(false);
  const over = (feed.keys.value.value ?? []).filter((key) => stateOf(key) !== "good").length;
  const revoke = async ({ prefix, name }: ApiKeyInfo): Promise<void> => {
    await feed.api.revokeKey(prefix);
    desk.say(`“${name}” is revoked.`);
    await feed.keys.load();
  };
  return (
    <Section
      id="api-keys" title="API keys" about="For your programs, in the place of your password. A key may do what its scopes say, and nothing of this page."
      buttons={<button type="button" class="button small" aria-haspopup="dialog" onClick={() => setMaking(true)}>New key</button>}
    >
      <Rows
        asked={feed.keys} what="keys" empty={over > 0 ? "No key works at the moment." : "No keys yet. A program needs one to trade or to read what is yours."}
        shown={(keys) => (all ? keys : keys.filter((key) => stateOf(key) === "good"))}
        row={(key) => (
          <li key={key.prefix} class="row" data-over={stateOf(key) !== "good"}>
            <div class="row-text">
              <b>{key.name}{key.scopes.map((scope) => <span key={scope} class="badge" title={SCOPE_WORDS[scope]?.[1]}>{SCOPE_WORDS[scope]?.[0] ?? scope}</span>)}</b>
              <small><code>ok_{key.prefix}_…</code> · {key.lastUsedAt === null ? "never used" : `used ${ago(key.lastUsedAt)}`} · made {day(key.createdAt)} · {endOf(key)}</small>
            </div>
            {key.revokedAt === null && <button type="button" class="button quiet small" aria-haspopup="dialog" aria-label={`Revoke ${key.name}`} onClick={() => setRevoking(key)}>Revoke</button>}
          </li>
        )}
      />
      {over > 0 && (
        <button type="button" class="rows-more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Hide" : "Show"} {over} that {over === 1 ? "is" : "are"} revoked or expired
        </button>
      )}
      {making && <NewKeySheet view={view} isAdmin={isAdmin} onClose={() => setMaking(false)} />}
      {revoking && (
        <Confirm title={`Revoke “${revoking.name}”?`} keep="Keep it" go="Revoke" going="Revoking…" act={() => revoke(revoking)} onClose={() => setRevoking(null)}>
          Programs that use <code>ok_{revoking.prefix}_…</code> are refused within five seconds. {revoking.lastUsedAt === null ? "It was never used." : `It was used ${ago(revoking.lastUsedAt)}.`} This cannot be undone.
        </Confirm>
      )}
    </Section>
  );
}
