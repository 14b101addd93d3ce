/** Where one is signed in, and the way to end it. */

import type { SignInSession } from "@openoutcry/client";
import { useState } from "preact/hooks";
import { Confirm } from "./Confirm.tsx";
import type { AccountView } from "./page.tsx";
import { Rows, Section } from "./Section.tsx";
import { inWords } from "../state/actions.ts";
import { deviceOf } from "../state/credentials.ts";
import { ago, day } from "../state/times.ts";

export function Sessions({ view: { desk, feed } }: { readonly view: AccountView }) {
  const [asking, setAsking] = useState(false);
  const [ending, setEnding] = useState<string | null>(null);
  const end = async (session: SignInSession): Promise<void> => {
    setEnding(session.id);
    try {
      await feed.api.endSession(session.id);
      desk.say(`${deviceOf(session.userAgent)} is signed out.`);
    } catch (error) {
      desk.say(inWords(error));
    }
    await feed.sessions.load();
    setEnding(null);
  };
  const everywhere = async (): Promise<void> => {
    await feed.api.signOutEverywhere();
    await desk.signedIn.auth.signOut();
  };
  return (
    <Section
      id="sessions" title="Sessions" about="Every browser and program that has signed in with your password. If you do not know one, end it and change the password."
      buttons={<button type="button" class="button quiet small" aria-haspopup="dialog" onClick={() => setAsking(true)}>Sign out everywhere</button>}
    >
      <Rows
        asked={feed.sessions} what="sessions" empty="There are none."
        row={(session) => (
          <li key={session.id} class="row">
            <div class="row-text">
              <b title={session.userAgent}>{deviceOf(session.userAgent)}{session.current && <span class="badge badge-good">This one</span>}</b>
              <small>{[session.address, `used ${ago(session.lastUsedAt)}`, `since ${day(session.createdAt)}`].filter(Boolean).join(" · ")}</small>
            </div>
            {!session.current && (
              <button type="button" class="button quiet small" aria-label={`End the session of ${deviceOf(session.userAgent)}`} disabled={ending === session.id} onClick={() => void end(session)}>
                {ending === session.id ? "Ending…" : "End"}
              </button>
            )}
          </li>
        )}
      />
      {asking && (
        <Confirm title="Sign out everywhere?" keep="Stay signed in" go="Sign out everywhere" going="Signing out…" act={everywhere} onClose={() => setAsking(false)}>
          Every session ends, this one too, within five seconds. API keys go on working, and bots go on trading.
        </Confirm>
      )}
    </Section>
  );
}
