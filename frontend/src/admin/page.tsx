/** The price aggregator, for administrators. */

import { useEffect, useState } from "preact/hooks";
import { ClearSheet } from "./ClearSheet.tsx";
import { Entries } from "./Entries.tsx";
import { History } from "./History.tsx";
import { Tiles } from "./Tiles.tsx";
import { Footer } from "../app/Footer.tsx";
import type { Page } from "../app/pages.ts";
import type { SignedIn } from "../state/account.ts";
import { AdminFeed } from "../state/admin.ts";
import type { Desk } from "../state/desk.ts";

export function start(desk: Desk): Page {
  return { Tools: () => null, Main: () => <Admin desk={desk} />, stop() {} };
}

function Admin({ desk }: { readonly desk: Desk }) {
  const { signedIn } = desk;
  const account = signedIn.account.value;
  useEffect(() => {
    document.title = "Admin · OpenOutcry";
  }, []);
  const waiting = signedIn.resuming.value && account === null;
  return (
    <>
      <main class="stage single" aria-busy={waiting} data-testid="admin">
        {waiting && <p class="sr-only" role="status">Signing in…</p>}
        {!waiting && (account ? <Figures key={account.id} signedIn={signedIn} /> : <SignInFirst signedIn={signedIn} />)}
      </main>
      <Footer version={desk.config.version} />
    </>
  );
}

function SignInFirst({ signedIn }: { readonly signedIn: SignedIn }) {
  return (
    <div class="notice" role="status" data-testid="signed-out">
      <h2>Sign in to see this page</h2>
      <p>The figures of the price aggregator are for administrators.</p>
      <button type="button" class="button" onClick={() => void (signedIn.asking.value = true)}>Sign in</button>
    </div>
  );
}

function Figures({ signedIn }: { readonly signedIn: SignedIn }) {
  const [feed, setFeed] = useState<AdminFeed | null>(null);
  const [clearing, setClearing] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    const own = new AdminFeed(signedIn.auth);
    setFeed(own);
    return () => own.stop();
  }, []);
  if (!feed) return null;
  const phase = feed.phase.value;
  const stats = feed.stats.value;
  if (phase.kind === "signedOut") return <SignInFirst signedIn={signedIn} />;
  if (phase.kind === "forbidden") {
    return (
      <div class="notice" role="alert" data-testid="forbidden">
        <h2>Admin only</h2>
        <p>{signedIn.account.value?.name} may not see this page. Sign in as an administrator.</p>
        <button type="button" class="button" onClick={() => void (signedIn.asking.value = true)}>Change account</button>
      </div>
    );
  }
  if (!stats) {
    if (phase.kind !== "error") return <p class="sr-only" role="status">Loading figures…</p>;
    return (
      <div class="notice" role="alert" data-testid="error">
        <h2>Figures could not be loaded</h2>
        <p>{phase.message}</p>
        <button type="button" class="button" onClick={() => void feed.ask()}>Try again</button>
      </div>
    );
  }
  return (
    <div class="admin">
      <header class="admin-head">
        <h2>Price aggregator</h2>
        {phase.kind === "error" && <p class="admin-problem" role="alert" data-testid="problem">{phase.message} These figures are the last that came.</p>}
        <button type="button" class="button quiet" onClick={() => setClearing(true)} aria-haspopup="dialog">Clear the cache</button>
      </header>
      <p class="admin-said" role="status" data-testid="cleared">{said}</p>
      <div class="admin-body" data-dated={phase.kind === "error"}>
        <Tiles stats={stats} />
        <History samples={feed.history.value} />
        <Entries entries={stats.entries} />
      </div>
      {clearing && <ClearSheet stats={stats} onClear={() => feed.clear()} onCleared={setSaid} onClose={() => setClearing(false)} />}
    </div>
  );
}
