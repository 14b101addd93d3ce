/** What stays while pages come and go: the bar at the top, its navigation, and the sheets. */

import { useEffect, useState } from "preact/hooks";
import { AccountButton, AccountSheet } from "./Account.tsx";
import { ConnectionPill } from "./ConnectionPill.tsx";
import { HelpSheet } from "./HelpSheet.tsx";
import { listenForJumps, listenForKeys } from "./keys.ts";
import { MarketGate } from "./MarketGate.tsx";
import { Nav } from "./Nav.tsx";
import { load, type Page } from "./pages.ts";
import type { Desk } from "../state/desk.ts";
import { writeHash } from "../state/hash.ts";
import type { PageName } from "../state/route.ts";

/** The pages that show the market itself. */
const MARKET: ReadonlySet<PageName> = new Set<PageName>(["chart", "markets", "tokens", "token", "platform"]);

type Shown = { readonly name: PageName; readonly page: Page | null; readonly failed: boolean };

export function Shell({ desk }: { readonly desk: Desk }) {
  const [helping, setHelping] = useState(false);
  const name = desk.route.page.value;
  const locked = MARKET.has(name) && desk.isLocked;
  const { page, failed } = usePage(desk, name, locked);
  useEffect(() => {
    const to = (hash: string) => () => void (location.hash = hash);
    const ends = [
      listenForJumps({
        m: to("#markets"), c: () => void (location.hash = writeHash(desk.view.peek())), b: to("#bots"), o: to("#orders"),
        a: to("#activity"), p: to("#portfolio"), h: to("#connection"), u: to("#account"),
        ...(desk.config.tokens && { t: to("#tokens"), v: to("#platform") }),
      }),
      listenForKeys({ "?": () => setHelping(true) }),
    ];
    return () => ends.forEach((end) => end());
  }, [desk]);
  return (
    <div class="page" data-page={name}>
      <header class="top">
        <h1 class="brand">
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 9.5v5M10 6.5v11M15 3.5v17M20 9.5v5" /></svg>
          <span>OpenOutcry</span>
        </h1>
        <Nav desk={desk} />
        {page && <page.Tools />}
        <ConnectionPill hub={desk.hub} />
        <AccountButton signedIn={desk.signedIn} />
        <button type="button" class="icon-button" onClick={() => setHelping(true)} aria-haspopup="dialog" aria-label="Keyboard shortcuts">?</button>
      </header>
      {locked ? <MarketGate key={name} desk={desk} /> : page ? <page.Main /> : <Waiting failed={failed} />}
      {helping && <HelpSheet onClose={() => setHelping(false)} />}
      {desk.signedIn.asking.value && <AccountSheet signedIn={desk.signedIn} signUp={desk.config.signUp} />}
    </div>
  );
}

/** The page of that name, once its code is there; none while it is `locked`, and what it asked for is given up. */
function usePage(desk: Desk, name: PageName, locked: boolean): Shown {
  const [shown, setShown] = useState<Shown>({ name, page: null, failed: false });
  useEffect(() => {
    if (locked) return;
    let page: Page | null = null;
    let gone = false;
    load(name).then(
      (start) => {
        if (gone) return;
        page = start(desk);
        setShown({ name, page, failed: false });
      },
      () => {
        if (!gone) setShown({ name, page: null, failed: true });
      },
    );
    return () => {
      gone = true;
      page?.stop();
      setShown({ name, page: null, failed: false });
    };
  }, [desk, name, locked]);
  return shown.name === name && !locked ? shown : { name, page: null, failed: false };
}

function Waiting({ failed }: { readonly failed: boolean }) {
  if (!failed) return <main class="stage" aria-busy="true" />;
  return (
    <main class="stage single">
      <div class="notice" role="alert" data-testid="page-error">
        <h2>This page could not be loaded</h2>
        <p>The server may have been updated while the page was open.</p>
        <button type="button" class="button" onClick={() => location.reload()}>Reload</button>
      </div>
    </main>
  );
}
