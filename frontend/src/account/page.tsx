/** One's own account: who one is, where one is signed in, and the keys that act for one. */

import { useEffect, useState } from "preact/hooks";
import { ApiKeys } from "./ApiKeys.tsx";
import { ExchangeKeys } from "./ExchangeKeys.tsx";
import { Profile } from "./Profile.tsx";
import { Sessions } from "./Sessions.tsx";
import { Footer } from "../app/Footer.tsx";
import { Gate } from "../app/Gate.tsx";
import type { Page } from "../app/pages.ts";
import { AccountFeed } from "../state/accountFeed.ts";
import type { Desk } from "../state/desk.ts";

export interface AccountView {
  readonly desk: Desk;
  readonly feed: AccountFeed;
}

export function start(desk: Desk): Page {
  return {
    Tools: () => null,
    Main: () => (
      <>
        <Gate desk={desk} title="Your account" what="Where you are signed in, and the keys of your programs."><Account desk={desk} /></Gate>
        <Footer version={desk.config.version} />
      </>
    ),
    stop() {},
  };
}

function Account({ desk }: { readonly desk: Desk }) {
  const [feed, setFeed] = useState<AccountFeed | null>(null);
  useEffect(() => {
    const own = new AccountFeed(desk.signedIn.auth, desk.config.liveExchanges.length > 0);
    setFeed(own);
    return () => own.stop();
  }, []);
  const account = desk.signedIn.account.value;
  if (!feed || !account) return null;
  const view: AccountView = { desk, feed };
  return (
    <div class="admin">
      <div class="settings">
        <Profile view={view} account={account} />
        <Sessions view={view} />
        <ApiKeys view={view} isAdmin={account.role === "admin"} />
        {feed.exchangeKeys && <ExchangeKeys view={view} keys={feed.exchangeKeys} />}
      </div>
    </div>
  );
}
