/** One market: candles, quote and trades. */

import { signal } from "@preact/signals";
import { useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ChartPanel } from "./ChartPanel.tsx";
import { inkOf } from "./ink.ts";
import { SymbolPicker } from "./SymbolPicker.tsx";
import { Timeframes } from "./Timeframes.tsx";
import { Banner } from "../app/Banner.tsx";
import { Footer } from "../app/Footer.tsx";
import { listenForKeys } from "../app/keys.ts";
import type { Page } from "../app/pages.ts";
import { QuotePanel } from "../panels/QuotePanel.tsx";
import { TradesTape } from "../panels/TradesTape.tsx";
import { pairOf } from "../state/config.ts";
import type { Desk } from "../state/desk.ts";
import { decimal } from "../state/format.ts";
import { isDated } from "../state/pill.ts";
import { Session } from "../state/session.ts";

export function start(desk: Desk): Page {
  if (desk.config.symbols.length === 0) return { Tools: () => null, Main: NothingRecorded, stop() {} };
  const session = new Session(desk);
  const searching = signal(false);
  const search = (): void => void (searching.value = true);
  return {
    Tools: () => <Tools session={session} onSearch={search} />,
    Main: () => (
      <>
        <Stage session={session} onSearch={search} />
        {searching.value && (
          <SymbolPicker
            symbols={session.config.symbols}
            current={session.view.value.symbol}
            onClose={() => void (searching.value = false)}
            onPick={(symbol) => {
              session.select({ symbol });
              searching.value = false;
            }}
          />
        )}
      </>
    ),
    stop: () => session.stop(),
  };
}

interface Props {
  readonly session: Session;
  onSearch(): void;
}

function Tools({ session, onSearch }: Props) {
  const { base, quote } = session.market;
  return (
    <>
      <button type="button" class="symbol" onClick={onSearch} aria-haspopup="dialog" aria-label={`Symbol ${base}/${quote}. Choose another`} data-testid="symbol">
        <b>{base}</b><span class="slash">/{quote}</span><span class="caret" aria-hidden="true" />
      </button>
      <Timeframes current={session.view.value.interval} offered={session.config.intervals} onSelect={(interval) => session.select({ interval })} />
    </>
  );
}

function Stage({ session, onSearch }: Props) {
  useEffect(
    () => listenForKeys({ "/": onSearch, "[": () => session.step(-1), "]": () => session.step(1) }),
    [session],
  );
  useSignalEffect(() => {
    const last = session.quotes.value.quote.value?.quote.originalPrice;
    const { priceScale } = session.market;
    document.title = `${last ? `${decimal(last, priceScale)} ` : ""}${pairOf(session.market)} · OpenOutcry`;
  });

  const { hub, market } = session;
  const feed = session.candles.value;
  const dated = isDated(hub.status.value);
  return (
    <>
      <main class="stage">
        <Banner hub={hub} meanwhile="Candles refresh every minute." />
        <QuotePanel feed={session.quotes.value} market={market} dated={dated} />
        <ChartPanel key={`${feed.symbol} ${feed.interval}`} feed={feed} ink={inkOf(market)} />
        <TradesTape tape={session.tape.value} market={market} dated={dated} />
      </main>
      <Footer version={session.config.version}>
        <span>
          Charts by <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">TradingView Lightweight Charts™</a>, © 2025 TradingView, Inc.
        </span>
      </Footer>
    </>
  );
}

function NothingRecorded() {
  return (
    <main class="stage single">
      <div class="notice" role="alert">
        <h2>No symbols are configured</h2>
        <p>Add instruments to the feed, then reload.</p>
        <button type="button" class="button" onClick={() => location.reload()}>Reload</button>
      </div>
    </main>
  );
}
