/** What stands before everything that belongs to somebody: sign in first. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Banner } from "./Banner.tsx";
import { Toast } from "./Toast.tsx";
import type { SignedIn } from "../state/account.ts";
import type { Desk } from "../state/desk.ts";

interface Props {
  readonly desk: Desk;
  readonly title: string;
  /** What is to be seen here, for who is not signed in. */
  readonly what: string;
  readonly children: ComponentChildren;
}

export function Gate({ desk, title, what, children }: Props) {
  const { signedIn, trading } = desk;
  useEffect(() => {
    document.title = `${title} · OpenOutcry`;
  }, [title]);
  const account = signedIn.account.value;
  const waiting = signedIn.resuming.value && account === null;
  return (
    <main class="stage single desk" aria-busy={waiting} data-testid={title.toLowerCase()} data-ready={trading.state.value.ready}>
      <Banner hub={desk.hub} meanwhile="What is yours is asked for every minute." subject="Live updates" />
      {waiting && <p class="sr-only" role="status">Signing in…</p>}
      {!waiting && account === null && (
        <SignInNotice signedIn={signedIn} what={what} />
      )}
      {account && <Denied desk={desk} />}
      {account && <Keyed key={account.id}>{children}</Keyed>}
      <Toast said={desk.said} />
    </main>
  );
}

export function SignInNotice({ signedIn, what }: { readonly signedIn: SignedIn; readonly what: string }) {
  return (
    <div class="notice" role="status" data-testid="signed-out">
      <h2>Sign in to see this page</h2>
      <p>{what}</p>
      <button type="button" class="button" onClick={() => void (signedIn.asking.value = true)}>Sign in</button>
    </div>
  );
}

/** Somebody else begins anew: nothing typed or chosen is theirs. */
function Keyed({ children }: { readonly children: ComponentChildren }) {
  return <>{children}</>;
}

function Denied({ desk }: { readonly desk: Desk }) {
  const problem = desk.trading.problem.value;
  if (!problem) return null;
  return <p class="desk-problem" role="alert" data-testid="denied">Live updates are not to be had: {problem.message}</p>;
}
