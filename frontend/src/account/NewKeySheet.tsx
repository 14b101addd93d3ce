/** A new API key: what it may do and for how long; then the key itself, this once. */

import type { KeyScope, MadeKey } from "@openoutcry/client";
import { useRef, useState } from "preact/hooks";
import type { AccountView } from "./page.tsx";
import { CopyField } from "../app/CopyField.tsx";
import { CheckField, Field, SelectField } from "../app/fields.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { inWords } from "../state/actions.ts";
import { endOf, exchangeName, LIVES, SCOPE_WORDS } from "../state/credentials.ts";

interface Props {
  readonly view: AccountView;
  readonly isAdmin: boolean;
  onClose(): void;
}

export function NewKeySheet({ view, isAdmin, onClose }: Props) {
  const [made, setMade] = useState<MadeKey | null>(null);
  return (
    <Sheet label="New API key" title={made ? `“${made.info.name}” is made` : "New API key"} onClose={onClose}>
      {made ? <Shown made={made} onClose={onClose} /> : <KeyForm view={view} isAdmin={isAdmin} onMade={setMade} onClose={onClose} />}
    </Sheet>
  );
}

function Shown({ made: { key, info }, onClose }: { readonly made: MadeKey; onClose(): void }) {
  return (
    <div class="form">
      <p class="form-note">Copy it now. It is shown this once: only its hash is kept here.</p>
      <CopyField label="API key" value={key} />
      <p class="form-note">Send it as the header <code>X-API-Key</code>. It {endOf(info)}.</p>
      <button type="button" class="button quiet" onClick={onClose}>Done</button>
    </div>
  );
}

function KeyForm({ view: { desk, feed }, isAdmin, onMade, onClose }: Props & { onMade(made: MadeKey): void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [scopes, setScopes] = useState<ReadonlySet<KeyScope>>(new Set());
  const [missing, setMissing] = useState<string | undefined>();
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const turn = (scope: KeyScope, on: boolean): void => setScopes(new Set(on ? [...scopes, scope] : [...scopes].filter((one) => one !== scope)));
  const live = desk.config.liveExchanges;

  const make = async (): Promise<void> => {
    if (busy) return;
    setProblem(null);
    if (name.trim() === "") {
      setMissing("What is it for? You will know it again by this.");
      form.current?.querySelector<HTMLElement>("[name=name]")?.focus();
      return;
    }
    setBusy(true);
    try {
      const made = await feed.api.makeKey({ name: name.trim(), scopes: ["read", ...scopes], ...(days !== "" && { expiresInDays: Number(days) }) });
      void feed.keys.load();
      onMade(made);
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };

  return (
    <form
      class="form" ref={form} noValidate aria-busy={busy}
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <Field name="name" label="Name" value={name} placeholder="price bot" problem={missing} most={60} autofocus onInput={(text) => { setMissing(undefined); setName(text); }} />
      <fieldset class="checks">
        <legend>It may</legend>
        <CheckField name="read" label={SCOPE_WORDS.read[0]} hint={SCOPE_WORDS.read[1]} on disabled />
        <CheckField name="trade" label={SCOPE_WORDS.trade[0]} hint={SCOPE_WORDS.trade[1]} on={scopes.has("trade")} onChange={(on) => turn("trade", on)} />
        {isAdmin && <CheckField name="admin" label={SCOPE_WORDS.admin[0]} hint={SCOPE_WORDS.admin[1]} on={scopes.has("admin")} onChange={(on) => turn("admin", on)} />}
      </fieldset>
      {scopes.has("trade") && live.length > 0 && (
        <p class="form-warning" role="status">Live trading is on here: whoever has this key can start bots with real money at {live.map(exchangeName).join(", ")}.</p>
      )}
      <SelectField name="days" label="It is good for" value={days} options={LIVES} onChange={setDays} />
      {problem && <p class="form-problem" role="alert">{problem}</p>}
      <div class="form-row">
        <button type="button" class="button quiet" onClick={onClose}>Cancel</button>
        <button type="submit" class="button" disabled={busy}>{busy ? "Making it…" : "Make the key"}</button>
      </div>
    </form>
  );
}
