/** The page, once it is known what there is to show. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Banner } from "./Banner.tsx";
import { HelpSheet } from "./HelpSheet.tsx";
import { listenForKeys } from "./keys.ts";
import { SymbolPicker } from "./SymbolPicker.tsx";
import { TopBar } from "./TopBar.tsx";
import { ChartPanel } from "../chart/ChartPanel.tsx";
import { QuotePanel } from "../panels/QuotePanel.tsx";
import { TradesTape } from "../panels/TradesTape.tsx";
import { pairOf } from "../state/config.ts";
import { decimal } from "../state/format.ts";
import { isDated } from "../state/pill.ts";
import type { Session } from "../state/session.ts";

export function Dashboard({ session }: { readonly session: Session }) {
  const [sheet, setSheet] = useState<"none" | "search" | "help">("none");
  const close = (): void => setSheet("none");
  useEffect(
    () => listenForKeys({
      search: () => setSheet("search"),
      help: () => setSheet("help"),
      step: (by) => session.step(by),
    }),
    [session],
  );
  useSignalEffect(() => {
    const last = session.quotes.value.quote.value?.quote.originalPrice;
    const { priceScale } = session.market;
    document.title = `${last ? `${decimal(last, priceScale)} ` : ""}${pairOf(session.market)} · OpenOutcry`;
  });

  const { market } = session;
  const feed = session.candles.value;
  const dated = isDated(session.status.value);
  return (
    <div class="page">
      <TopBar session={session} onSearch={() => setSheet("search")} onHelp={() => setSheet("help")} />
      <main class="stage">
        <Banner session={session} />
        <QuotePanel feed={session.quotes.value} market={market} dated={dated} />
        <ChartPanel key={`${feed.symbol} ${feed.interval}`} feed={feed} market={market} />
        <TradesTape tape={session.tape.value} market={market} dated={dated} />
      </main>
      <Footer version={session.config.version} />
      {sheet === "help" && <HelpSheet onClose={close} />}
      {sheet === "search" && (
        <SymbolPicker
          symbols={session.config.symbols}
          current={session.view.value.symbol}
          onClose={close}
          onPick={(symbol) => {
            session.select({ symbol });
            close();
          }}
        />
      )}
    </div>
  );
}

function Footer({ version }: { version: string }) {
  return (
    <footer class="foot">
      <span>OpenOutcry {version}</span>
      <span>Times in UTC</span>
      <span>
        Charts by <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">TradingView Lightweight Charts™</a>, © 2025 TradingView, Inc.
      </span>
    </footer>
  );
}
