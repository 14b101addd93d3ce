/** One token: its candles, trades, figures, holders and volumes, live. */

import "../styles/launchpad.css";
import { isUp, TokensApi } from "@openoutcry/client";
import { signal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { Head } from "./Head.tsx";
import { Holders } from "./Holders.tsx";
import { withoutChain } from "./NoChain.tsx";
import { Spread } from "./Spread.tsx";
import { Trades } from "./Trades.tsx";
import { Banner } from "../app/Banner.tsx";
import { Footer } from "../app/Footer.tsx";
import { listenForKeys } from "../app/keys.ts";
import type { Page } from "../app/pages.ts";
import { ChartPanel } from "../chart/ChartPanel.tsx";
import type { Ink } from "../chart/ink.ts";
import { Timeframes } from "../chart/Timeframes.tsx";
import type { Desk } from "../state/desk.ts";
import { amountText, priceText } from "../state/ether.ts";
import { pageOf } from "../state/route.ts";
import { TOKEN_INTERVALS } from "../state/tokenCandles.ts";
import { readTokenHash, TokenSession } from "../state/tokenSession.ts";

export function start(desk: Desk): Page {
  if (!desk.config.tokens) return withoutChain(desk);
  const api = new TokensApi("", desk.asking);
  const open = (): TokenSession => new TokenSession(desk.hub.connection, api, readTokenHash(location.hash));
  const session = signal(open());
  const onHash = (): void => {
    if (pageOf(location.hash) !== "token") return;
    const { address, interval } = readTokenHash(location.hash);
    if (address === session.peek().address) return session.peek().select(interval);
    session.peek().stop();
    session.value = open();
  };
  addEventListener("hashchange", onHash);
  return {
    Tools: () => <Timeframes current={session.value.interval.value} offered={TOKEN_INTERVALS} onSelect={(interval) => session.peek().select(interval)} />,
    Main: () => <Shown key={session.value.address} desk={desk} session={session.value} />,
    stop() {
      removeEventListener("hashchange", onHash);
      session.peek().stop();
    },
  };
}

interface Props {
  readonly desk: Desk;
  readonly session: TokenSession;
}

function Shown({ desk, session }: Props) {
  const { live } = session;
  useEffect(() => listenForKeys({ "[": () => session.step(-1), "]": () => session.step(1) }), [session]);
  useSignalEffect(() => {
    const token = live.token.value;
    document.title = token ? `${token.currentPrice === null ? "" : `${priceText(token.currentPrice)} `}${token.symbol} · OpenOutcry` : "Token · OpenOutcry";
  });
  const problem = live.problem.value;
  const token = live.token.value;
  return (
    <>
      <main class="stage single" aria-busy={token === null && problem === null} data-testid="token" data-address={session.address}>
        <Banner hub={desk.hub} meanwhile="This token is asked for every 10 s." />
        {token ? <Sections desk={desk} session={session} /> : problem ? (
          <div class="notice" role="alert" data-testid={problem.missing ? "missing" : "error"}>
            <h2>{problem.missing ? "There is no such token" : "The token could not be loaded"}</h2>
            <p>{problem.message}</p>
            {problem.missing ? <a class="button" href="#tokens">All tokens</a> : <button type="button" class="button" onClick={() => session.retry()}>Try again</button>}
          </div>
        ) : <TokenSkeleton />}
      </main>
      <Footer version={desk.config.version}>
        <span>Charts by <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">TradingView Lightweight Charts™</a>, © 2025 TradingView, Inc.</span>
      </Footer>
    </>
  );
}

function Sections({ desk, session }: Props) {
  const token = session.live.token.value;
  // A token that nobody trades is silent, and as up to date as can be.
  const { state } = desk.hub.status.value;
  const dated = !isUp(state) && state !== "connecting";
  const feed = session.candles.value;
  // The scale is that of the price with which the page was opened: prices of curves differ by many powers of ten.
  const ink = useMemo(() => (token ? inkFor(token.symbol, token.currentPrice) : null), [feed]);
  if (!token || !ink) return null;
  return (
    <div class="admin token-page">
      <Head token={token} detail={session.live.detail.value} dayOpen={session.dayOpen.value.value} side={session.live.trades.value?.[0]?.side ?? null} dated={dated} />
      <div class="token-market">
        <ChartPanel key={feed.interval} feed={feed} ink={ink} inScroll />
        <Trades live={session.live} token={token} dated={dated} />
      </div>
      <div class="halves">
        <Holders feed={session.holders} token={token} />
        <Spread feed={session.spread} />
      </div>
    </div>
  );
}

/** Five digits of a price, whatever its size; volumes in ether, which all tokens have in common. */
function inkFor(symbol: string, price: string | null): Ink {
  const power = Math.floor(Math.log10(Number(price) || 1));
  return {
    name: `${symbol}/ETH`,
    unit: "ETH",
    price: (text) => priceText(text),
    volume: (text) => amountText(text),
    tick: (value) => priceText(value, 4),
    volumeTick: (volume) => (Math.abs(volume) < 1e-12 ? "0" : priceText(volume, 2)),
    minMove: 10 ** (power - 4),
  };
}

function TokenSkeleton() {
  return (
    <div class="admin" role="status" data-testid="loading">
      <span class="sr-only">Loading the token…</span>
      <div class="tiles tiles-skeleton" aria-hidden="true">{["Price", "Volume", "Holders", "Trades"].map((name) => <div key={name} class="tile"><b /><b /></div>)}</div>
    </div>
  );
}
