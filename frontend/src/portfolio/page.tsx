/** What the account is worth, what was earned, and with what. */

import { decimal as exact, livePnl } from "@openoutcry/client";
import { useEffect, useMemo, useState } from "preact/hooks";
import { CurvePanel } from "./CurvePanel.tsx";
import { FundsSheet } from "./FundsSheet.tsx";
import { Balances, Positions } from "./Holdings.tsx";
import { Chip } from "../app/Chip.tsx";
import { Footer } from "../app/Footer.tsx";
import { Gate } from "../app/Gate.tsx";
import { KillNotice } from "../app/KillNotice.tsx";
import type { Page } from "../app/pages.ts";
import { curvePoints } from "../state/curve.ts";
import type { Desk } from "../state/desk.ts";
import { type CurveRange, type Holdings, HoldingsFeed, RANGES } from "../state/holdings.ts";
import { counted } from "../state/killSwitch.ts";
import { gain, money, toneOf } from "../state/money.ts";
import { isDated } from "../state/pill.ts";
import { marketOf } from "../state/tickers.ts";

const RANGE_WORDS: Readonly<Record<CurveRange, string>> = { "1d": "Day", "1w": "Week", "1M": "Month", all: "All" };

export function start(desk: Desk): Page {
  return {
    Tools: () => null,
    Main: () => (
      <>
        <Gate desk={desk} title="Portfolio" what="What your account is worth, and what your bots have earned.">
          <KillNotice desk={desk} />
          <Portfolio desk={desk} />
        </Gate>
        <Footer version={desk.config.version}>
          <span>Charts by <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">TradingView Lightweight Charts™</a>, © 2025 TradingView, Inc.</span>
        </Footer>
      </>
    ),
    stop: desk.trading.withPrices(),
  };
}

function Portfolio({ desk }: { readonly desk: Desk }) {
  const [feed, setFeed] = useState<HoldingsFeed | null>(null);
  const [funding, setFunding] = useState(false);
  useEffect(() => {
    const own = new HoldingsFeed(desk.trading);
    setFeed(own);
    return () => own.stop();
  }, []);
  if (!feed) return null;
  const holdings = feed.holdings.value;
  const problem = feed.problem.value;
  if (!holdings) {
    if (problem === null) return <PortfolioSkeleton />;
    return (
      <div class="notice" role="alert" data-testid="error">
        <h2>The portfolio could not be loaded</h2>
        <p>{problem}</p>
        <button type="button" class="button" onClick={() => void feed.load()}>Try again</button>
      </div>
    );
  }
  return (
    <div class="admin">
      {funding && <FundsSheet desk={desk} holdings={holdings} onFunded={() => void feed.load()} onClose={() => setFunding(false)} />}
      <header class="admin-head">
        <h2>Portfolio</h2>
        {problem !== null && <p class="admin-problem" role="alert">{problem} These figures are the last that came.</p>}
        <div class="chips-row" role="group" aria-label="Curves of">
          {RANGES.map((range) => <Chip key={range} label={RANGE_WORDS[range]} on={feed.range.value === range} onClick={() => feed.select(range)} />)}
        </div>
      </header>
      <div class="admin-body" data-dated={problem !== null || isDated(desk.hub.status.value)}>
        <Figures desk={desk} holdings={holdings} />
        <Curves feed={feed} currency={holdings.summary.currency} now={holdings.portfolio.equity} />
        <div class="halves">
          <Positions desk={desk} />
          <Balances portfolio={holdings.portfolio} onFund={() => setFunding(true)} />
        </div>
      </div>
    </div>
  );
}

function PortfolioSkeleton() {
  return (
    <div class="admin" role="status" data-testid="loading">
      <span class="sr-only">Loading the portfolio…</span>
      <div class="tiles tiles-skeleton" aria-hidden="true">{["Equity", "PnL", "Win rate", "Fees"].map((name) => <div key={name} class="tile"><b /><b /></div>)}</div>
    </div>
  );
}

function Figures({ desk, holdings: { portfolio, summary } }: { readonly desk: Desk; readonly holdings: Holdings }) {
  const { trading } = desk;
  void trading.bids.revision.value;
  const { currency } = summary;
  const bots = [...trading.state.value.bots.values()].filter(({ ticker }) => marketOf(desk.config, ticker).quote === currency);
  const open = bots.map((bot) => {
    const live = livePnl(bot, trading.bids.of(bot.ticker));
    return live === null ? null : exact.subtract(live, bot.pnl);
  });
  // Prices come a moment after the page: until then the server's figure, of the last trades.
  const floating = open.some((one) => one === null) ? summary.unrealized_pnl : exact.sum(open as string[]);
  const total = exact.add(summary.pnl, floating ?? "0");
  const wins = summary.win_rate;
  return (
    <dl class="tiles" data-testid="tiles">
      <Tile name="Equity" id="equity" value={money(portfolio.equity, currency)} unit={currency} note={portfolio.unpriced.length === 0 ? "Balances less loans" : `Without ${portfolio.unpriced.join(", ")}: no price`} />
      <Tile name="PnL" id="pnl" value={gain(total, currency)} tone={toneOf(total, currency)} unit={currency} note={`${gain(summary.pnl, currency)} realised, ${floating === null ? "…" : gain(floating, currency)} unrealised`} />
      <Tile name="Win rate" id="wins" value={wins === null ? "—" : `${Number(wins).toFixed(1)}%`} note={`Of closing fills; ${counted(summary.total_trades, "fill")} in all`} />
      <Tile name="Fees" id="fees" value={money(summary.fees, currency)} unit={currency} note="Taken off the PnL already" />
    </dl>
  );
}

interface TileProps {
  readonly name: string;
  readonly id: string;
  readonly value: string;
  readonly unit?: string;
  readonly note: string;
  readonly tone?: string;
}

function Tile({ name, id, value, unit, note, tone = "" }: TileProps) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd class={`tile-value ${tone}`} data-testid={`tile-${id}`}>{value}{unit && <span class="unit">{unit}</span>}</dd>
      <dd class="tile-note">{note}</dd>
    </div>
  );
}

function Curves({ feed, currency, now }: { readonly feed: HoldingsFeed; readonly currency: string; readonly now: string }) {
  const curve = feed.curve.value;
  // Samples are a minute apart: the curve ends with what the tile above it says.
  const equity = useMemo(() => curvePoints(curve ? [...curve.equity, { time: curve.end, equity: now }] : [], (point) => point.equity), [curve, now]);
  const pnl = useMemo(() => curvePoints(curve?.points ?? [], (point) => point.pnl), [curve]);
  return (
    <div class="halves">
      <CurvePanel kind="equity" title="Equity" points={equity} currency={currency} />
      <CurvePanel kind="pnl" title="Realised, less fees" points={pnl} currency={currency} />
    </div>
  );
}
