/** Who is signed in. */

import type { Account } from "@openoutcry/client";
import { useState } from "preact/hooks";
import type { AccountView } from "./page.tsx";
import { PasswordSheet } from "./PasswordSheet.tsx";
import { Section } from "./Section.tsx";

export function Profile({ view, account }: { readonly view: AccountView; readonly account: Account }) {
  const [changing, setChanging] = useState(false);
  return (
    <Section
      id="profile" title="Account" about="Signed in on this browser until its last tab is closed."
      buttons={<button type="button" class="button quiet small" aria-haspopup="dialog" onClick={() => setChanging(true)}>Change password</button>}
    >
      <div class="row">
        <span class="avatar" aria-hidden="true">{account.name.slice(0, 1).toUpperCase()}</span>
        <div class="row-text">
          <b>{account.name}</b>
          <small>{account.role === "admin" ? "Administrator" : "User"}</small>
        </div>
        <button type="button" class="button quiet small" onClick={() => void view.desk.signedIn.auth.signOut()}>Sign out</button>
      </div>
      {changing && <PasswordSheet view={view} name={account.name} onClose={() => setChanging(false)} />}
    </Section>
  );
}
