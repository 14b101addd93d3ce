/** What stands on the pages of tokens where no chain is followed. */

import { Footer } from "../app/Footer.tsx";
import type { Page } from "../app/pages.ts";
import type { Desk } from "../state/desk.ts";

export function withoutChain(desk: Desk): Page {
  return {
    Tools: () => null,
    Main: () => (
      <>
        <main class="stage single">
          <div class="notice" role="status" data-testid="no-chain">
            <h2>No chain is followed here</h2>
            <p>Set <code>OUTCRY_CHAIN_RPC_URLS</code> to a node's address and restart, and the tokens of its launchpads appear here.</p>
            <a class="button" href="#markets">To the markets</a>
          </div>
        </main>
        <Footer version={desk.config.version} />
      </>
    ),
    stop() {},
  };
}
