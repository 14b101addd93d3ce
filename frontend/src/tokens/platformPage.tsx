/** What all tokens together were traded for, and which of them most. */

import "../styles/launchpad.css";
import { type PlatformVolume, type Token, TokensApi } from "@openoutcry/client";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Avatar } from "./Avatar.tsx";
import { Amount } from "./Figure.tsx";
import { HourBars } from "./HourBars.tsx";
import { withoutChain } from "./NoChain.tsx";
import { Progress } from "./Progress.tsx";
import { Balance } from "./Spread.tsx";
import { Banner } from "../app/Banner.tsx";
import { Footer } from "../app/Footer.tsx";
import type { Page } from "../app/pages.ts";
import { Asked } from "../state/asked.ts";
import type { Desk } from "../state/desk.ts";
import { amountText, exactly } from "../state/ether.ts";
import { boughtShare, filledHours, hoursToShow } from "../state/hours.ts";
import { inDays } from "../state/times.ts";
import { TokenFeed } from "../state/tokenFeed.ts";
import { orderedTokens } from "../state/tokenOrder.ts";

/** ms. */
const EVERY = 5_000;
const TOP = 10;
const YOUNGEST = 8;
const WEEK_HOURS = 168;

interface Props {
  readonly desk: Desk;
  readonly platform: Asked<PlatformVolume>;
  readonly feed: TokenFeed;
}

export function start(desk: Desk): Page {
  if (!desk.config.tokens) return withoutChain(desk);
  const api = new TokensApi("", desk.asking);
  const feed = new TokenFeed(desk.hub.connection, api, "24h");
  const platform = new Asked((signal) => api.platform({ signal }));
  void platform.load();
  const ticking = setInterval(() => {
    if (!document.hidden) void platform.load();
  }, EVERY);
  return {
    Tools: () => null,
    Main: () => <Platform desk={desk} platform={platform} feed={feed} />,
    stop() {
      clearInterval(ticking);
      platform.stop();
      feed.stop();
    },
  };
}

function Platform({ desk, platform, feed }: Props) {
  useEffect(() => {
    document.title = "Platform · OpenOutcry";
  }, []);
  const figures = platform.value.value;
  const problem = platform.problem.value;
  return (
    <>
      <main class="stage single" aria-busy={figures === null && problem === null} data-testid="platform">
        <Banner hub={desk.hub} meanwhile="Figures are asked for as before." />
        {figures === null && problem !== null ? (
          <div class="notice" role="alert" data-testid="error">
            <h2>The platform's figures could not be loaded</h2>
            <p>{problem}</p>
            <button type="button" class="button" onClick={() => void platform.load()}>Try again</button>
          </div>
        ) : (
          <div class="admin">
            <header class="admin-head">
              <h2>Platform</h2>
              {figures !== null && problem !== null && <p class="admin-problem" role="alert" data-testid="problem">{problem} These figures are the last that came.</p>}
              <a class="text-link" href="#tokens">All tokens</a>
            </header>
            <div class="admin-body" data-dated={figures !== null && problem !== null}>
              {figures === null ? <TilesSkeleton /> : <Figures figures={figures} />}
              <div class="halves">
                <Busiest feed={feed} />
                <Youngest feed={feed} />
              </div>
            </div>
          </div>
        )}
      </main>
      <Footer version={desk.config.version} />
    </>
  );
}

function Figures({ figures }: { readonly figures: PlatformVolume }) {
  const { volume24h, volume7d, volumeTotal, tokenCount, tradeCount, hours, block } = figures;
  const filled = useMemo(() => filledHours(hours, figures.asOf, hoursToShow(hours, figures.asOf, WEEK_HOURS)), [hours]);
  const days = filled.length / 24;
  return (
    <>
      <dl class="tiles" data-testid="tiles">
        <Tile name="24 h volume" id="day" value={volume24h} note="Bought and sold for, exact to the trade" />
        <Tile name="7 d volume" id="week" value={volume7d} note={`${amountText(Number(volume7d) / days)} ETH a day`} />
        <Tile name="Volume ever" id="total" value={volumeTotal} note={`In ${tradeCount.toLocaleString()} trades`} />
        <div class="tile">
          <dt>Tokens</dt>
          <dd class="tile-value" data-testid="tile-tokens">{tokenCount.toLocaleString()}</dd>
          <dd class="tile-note">{block === null ? "No block yet" : `As of block ${block.toLocaleString()}`}</dd>
        </div>
      </dl>
      <section class="panel platform-hours" aria-label="The last 7 days">
        <HourBars id="platform" title={`Volume by the hour, last ${days === 1 ? "24 hours" : `${days} days`}`} hours={filled} />
        <Balance bought={boughtShare(hours)} />
      </section>
    </>
  );
}

function Tile({ name, id, value, note }: { readonly name: string; readonly id: string; readonly value: string; readonly note: string }) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd class="tile-value" data-testid={`tile-${id}`} title={exactly(value, "ETH")}>{amountText(value)} <span class="unit">ETH</span></dd>
      <dd class="tile-note">{note}</dd>
    </div>
  );
}

function Busiest({ feed }: { readonly feed: TokenFeed }) {
  const tokens = orderedTokens(feed.tokens.value, "", { by: "volume24h", descending: true }).slice(0, TOP);
  const most = Number(tokens[0]?.volume24h ?? 0);
  return (
    <section class="panel" aria-labelledby="busiest-title">
      <div class="panel-head"><h3 id="busiest-title">Most traded <span class="unit">24 h</span></h3></div>
      <Rows tokens={tokens} feed={feed} heads={["24 h volume", "Market cap"]} unit="ETH" testid="busiest" cells={(token) => (
        <>
          <td class="share" style={{ "--share": `${most > 0 ? (Number(token.volume24h) / most) * 100 : 0}%` }}><Amount value={token.volume24h} /></td>
          <td><Amount value={token.marketCap} /></td>
        </>
      )} />
    </section>
  );
}

function Youngest({ feed }: { readonly feed: TokenFeed }) {
  const tokens = orderedTokens(feed.tokens.value, "", { by: "age", descending: false }).slice(0, YOUNGEST);
  const now = feed.now.value;
  return (
    <section class="panel" aria-labelledby="youngest-title">
      <div class="panel-head"><h3 id="youngest-title">Just launched</h3></div>
      <Rows tokens={tokens} feed={feed} heads={["Progress", "Age"]} testid="youngest" cells={(token) => (
        <>
          <td><Progress token={token} /></td>
          <td class="none">{token.createdAt === null ? "—" : inDays(now - token.createdAt)}</td>
        </>
      )} />
    </section>
  );
}

interface RowsProps {
  readonly tokens: readonly Token[];
  readonly feed: TokenFeed;
  readonly heads: readonly string[];
  /** What its figures are in, where they do not say so. */
  readonly unit?: string;
  readonly testid: string;
  cells(token: Token): ComponentChildren;
}

function Rows({ tokens, feed, heads, unit, testid, cells }: RowsProps) {
  const phase = feed.phase.value;
  if (tokens.length === 0) {
    const words = phase.kind === "error" ? phase.message : phase.kind === "loading" ? "Loading tokens…" : "No tokens yet.";
    return <p class="panel-none" role={phase.kind === "error" ? "alert" : "status"}>{words}</p>;
  }
  return (
    <table class="entries" data-testid={testid}>
      <thead><tr><th scope="col">Token</th>{heads.map((head) => <th key={head} scope="col">{head}{unit && <span class="unit narrow-only"> {unit}</span>}</th>)}</tr></thead>
      <tbody>
        {tokens.map((token) => (
          <tr key={token.address}>
            <th scope="row">
              <a class="token-name" href={`#token/${token.address}`}>
                <Avatar address={token.address} symbol={token.symbol} size={22} />
                <span><b>{token.name}</b> <span class="ticker">{token.symbol}</span></span>
              </a>
            </th>
            {cells(token)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function TilesSkeleton() {
  return (
    <div role="status" data-testid="loading">
      <span class="sr-only">Loading figures…</span>
      <div class="tiles tiles-skeleton" aria-hidden="true">{["Day", "Week", "Ever", "Tokens"].map((name) => <div key={name} class="tile"><b /><b /></div>)}</div>
    </div>
  );
}
