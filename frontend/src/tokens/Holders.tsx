/** Who holds a token: the share of the largest as a ring, and each of them. */

import type { Token, TokenHolder } from "@openoutcry/client";
import { Donut, strengthOf } from "./Donut.tsx";
import { amountText, exactly, shareText, shortAddress } from "../state/ether.ts";
import { inDays, stamp } from "../state/times.ts";
import { FIRST_HOLDERS, type Holders as HoldersFeed } from "../state/tokenParts.ts";

interface Props {
  readonly feed: HoldersFeed;
  readonly token: Token;
}

export function Holders({ feed, token }: Props) {
  const page = feed.first.value.value;
  const problem = feed.first.problem.value;
  return (
    <section class="panel" aria-labelledby="holders-title" data-testid="holders">
      <div class="panel-head">
        <h3 id="holders-title">Holders <span class="unit">{token.holderCount.toLocaleString()}</span></h3>
      </div>
      {page === null ? (
        problem === null ? <p class="panel-none" role="status">Loading holders…</p> : (
          <p class="panel-none" role="alert" data-testid="holders-error">{problem} <button type="button" class="text-link" onClick={() => void feed.first.load()}>Try again</button></p>
        )
      ) : page.holders.length === 0 ? (
        <p class="panel-none">Nobody holds any.</p>
      ) : (
        <Ring feed={feed} token={token} />
      )}
    </section>
  );
}

function Ring({ feed, token }: Props) {
  const all = feed.all;
  const largest = all.slice(0, FIRST_HOLDERS);
  const top = feed.first.value.value?.distribution.top10Percent ?? largest.reduce((sum, { percent }) => sum + (percent ?? 0), 0);
  const more = feed.more.value;
  const left = token.holderCount - all.length;
  return (
    <>
      <div class="ring">
        <Donut shares={largest.map(({ percent }) => percent ?? 0)} label={`The ${largest.length} largest hold ${shareText(top)} of what circulates`}>
          <b>{shareText(top)}</b>
          <span>{largest.length === 1 ? "with one" : `top ${largest.length}`}</span>
        </Donut>
        <dl class="facts">
          <div><dt>Circulating</dt><dd title={exactly(token.supply, token.symbol)}>{amountText(token.supply)} <span class="unit">{token.symbol}</span></dd></div>
          <div><dt>The largest has</dt><dd>{shareText(all[0]?.percent ?? 0)}</dd></div>
          <div><dt>On average</dt><dd>{amountText(Number(token.supply) / Math.max(1, token.holderCount))} <span class="unit">{token.symbol}</span></dd></div>
        </dl>
      </div>
      <table class="entries holders" data-testid="holders-table">
        <thead><tr><th scope="col">Address</th><th scope="col">Balance</th><th scope="col">Share</th><th scope="col" class="wide-only">Since</th></tr></thead>
        <tbody>{all.map((holder, index) => <Row key={holder.address} holder={holder} index={index} token={token} most={all[0]?.percent ?? 100} />)}</tbody>
      </table>
      {left > 0 && more !== "end" && (
        <p class="panel-more">
          {more === "error" && <span role="alert">{feed.problem.value} </span>}
          <button type="button" class="text-button" disabled={more === "loading"} onClick={() => void feed.loadMore()}>
            {more === "loading" ? "Loading…" : more === "error" ? "Try again" : `Show more of ${token.holderCount.toLocaleString()}`}
          </button>
        </p>
      )}
    </>
  );
}

interface RowProps {
  readonly holder: TokenHolder;
  readonly index: number;
  readonly token: Token;
  /** What share the largest holder has. */
  readonly most: number;
}

function Row({ holder, index, token, most }: RowProps) {
  const { address, balance, percent, firstBoughtAt, lastActiveAt } = holder;
  const since = firstBoughtAt ?? lastActiveAt;
  return (
    <tr>
      <th scope="row">
        {index < FIRST_HOLDERS && <i class="swatch" aria-hidden="true" style={{ opacity: strengthOf(index, FIRST_HOLDERS) }} />}
        <span title={address}>{shortAddress(address)}</span>
        {address === token.creator && <span class="tag-creator">Creator</span>}
      </th>
      <td title={exactly(balance, token.symbol)}>{amountText(balance)}</td>
      <td class="share" style={{ "--share": `${most > 0 ? ((percent ?? 0) / most) * 100 : 0}%` }}>{percent === null ? "—" : shareText(percent)}</td>
      <td class="wide-only none" title={`${firstBoughtAt === null ? "Was given them; last active" : "First bought"} ${stamp(new Date(since).toISOString())} UTC`}>{inDays(Date.now() - since)}</td>
    </tr>
  );
}
