/** What stands in the place of the market where it is for users only: the sheet to sign in, and why. */

import { useEffect } from "preact/hooks";
import { SignInNotice } from "./Gate.tsx";
import type { Desk } from "../state/desk.ts";

export function MarketGate({ desk: { signedIn } }: { readonly desk: Desk }) {
  const resuming = signedIn.resuming.value;
  useEffect(() => {
    document.title = "OpenOutcry";
    // Once: who closes the sheet has the button.
    if (!resuming) signedIn.asking.value = true;
  }, [signedIn, resuming]);
  return (
    <main class="stage single desk" aria-busy={resuming} data-testid="market-gate">
      {resuming && <p class="sr-only" role="status">Signing in…</p>}
      {!resuming && <SignInNotice signedIn={signedIn} what="Prices, candles and trades are for users here." />}
    </main>
  );
}
