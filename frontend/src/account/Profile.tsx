/** Who is signed in. */

import type { Account } from "@openoutcry/client";
import { Section } from "./Section.tsx";
import type { Desk } from "../state/desk.ts";

export function Profile({ desk, account }: { readonly desk: Desk; readonly account: Account }) {
  return (
    <Section id="profile" title="Account" about="Signed in on this browser until its last tab is closed.">
      <div class="row">
        <span class="avatar" aria-hidden="true">{account.name.slice(0, 1).toUpperCase()}</span>
        <div class="row-text">
          <b>{account.name}</b>
          <small>{account.role === "admin" ? "Administrator" : "User"}</small>
        </div>
        <button type="button" class="button quiet small" onClick={() => void desk.signedIn.auth.signOut()}>Sign out</button>
      </div>
    </Section>
  );
}
