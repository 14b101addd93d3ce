/** All markets at once. */

import { useEffect, useRef } from "preact/hooks";
import { MarketGrid } from "./MarketGrid.tsx";
import { GridSkeleton, MarketsEmpty, MarketsError, NothingFound } from "./states.tsx";
import { Toolbar } from "./Toolbar.tsx";
import { Banner } from "../app/Banner.tsx";
import { listenForKeys } from "../app/keys.ts";
import type { Page } from "../app/pages.ts";
import { Toast } from "../app/Toast.tsx";
import type { Row } from "../state/board.ts";
import { type Desk, symbolsOf } from "../state/desk.ts";
import { isStale } from "../state/freshness.ts";
import { writeHash } from "../state/hash.ts";

export function start(desk: Desk): Page {
  const unfollow = desk.markets.follow();
  return {
    Tools: () => null,
    Main: () => <Markets desk={desk} />,
    stop() {
      unfollow();
      desk.ranking.release();
    },
  };
}

function Markets({ desk }: { readonly desk: Desk }) {
  const { markets, ranking, hub } = desk;
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Markets · OpenOutcry";
    return listenForKeys({ "/": () => search.current?.focus() });
  }, []);

  const open = (row: Row): void => {
    if (!row.carried) {
      desk.say(`${row.base}/${row.quote} is not recorded here, so there is no chart of it. Add it to the feed's symbols to record it.`);
      return;
    }
    location.hash = writeHash({ symbol: row.symbol, interval: desk.view.peek().interval });
    // Recorded since this page was opened: the page has to learn of it first.
    if (!symbolsOf(desk.config).includes(row.symbol)) location.reload();
  };

  const phase = markets.phase.value;
  const found = ranking.rows.value.length;
  const stale = isStale(markets.freshness.value, markets.now.value);
  return (
    <main class="stage single markets" aria-busy={phase.kind === "loading"} data-phase={phase.kind} data-testid="markets">
      <Banner hub={hub} meanwhile="Markets are asked for every 10 s." />
      <Toolbar desk={desk} search={search} />
      <div class="board" data-dated={stale}>
        {phase.kind === "loading" && <GridSkeleton />}
        {phase.kind === "error" && <MarketsError message={phase.message} onRetry={() => void markets.load()} />}
        {phase.kind === "empty" && <MarketsEmpty />}
        {phase.kind === "ready" && <MarketGrid markets={markets} ranking={ranking} interval={desk.view.value.interval} onOpen={open} />}
        {phase.kind === "ready" && found === 0 && <NothingFound filter={ranking.filter.value} onClear={() => ranking.clear()} />}
      </div>
      <Toast said={desk.said} />
    </main>
  );
}
