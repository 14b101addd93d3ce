/** How a token was traded: when, and in which sizes. */

import type { TradedSize } from "@openoutcry/client";
import { HourBars } from "./HourBars.tsx";
import { Chip } from "../app/Chip.tsx";
import { amountText, exactly, shareText } from "../state/ether.ts";
import { decimal } from "../state/format.ts";
import { boughtShare, filledHours } from "../state/hours.ts";
import type { Spread as SpreadFeed } from "../state/tokenParts.ts";

const COUNTS = { "24h": 24, "7d": 168 } as const;

export function Spread({ feed }: { readonly feed: SpreadFeed }) {
  const window = feed.window.value;
  const answer = feed.answer.value.value;
  const problem = feed.answer.problem.value;
  const shown = answer?.window === window ? answer : null;
  return (
    <section class="panel" aria-labelledby="spread-title" aria-busy={shown === null && problem === null} data-testid="spread">
      <div class="panel-head">
        <h3 id="spread-title">Volume</h3>
        <div class="chips-row" role="group" aria-label="Window">
          <Chip label="24 h" on={window === "24h"} onClick={() => feed.choose("24h")} />
          <Chip label="7 d" on={window === "7d"} onClick={() => feed.choose("7d")} />
        </div>
      </div>
      {shown === null ? (
        problem === null ? <p class="panel-none" role="status">Loading volumes…</p> : (
          <p class="panel-none" role="alert" data-testid="spread-error">{problem} <button type="button" class="text-link" onClick={() => void feed.answer.load()}>Try again</button></p>
        )
      ) : (
        <>
          <HourBars id="token" title="By the hour" hours={filledHours(shown.hours, Date.now(), COUNTS[window])} />
          <Balance bought={boughtShare(shown.sizes)} />
          <Sizes sizes={shown.sizes} />
        </>
      )}
    </section>
  );
}

export function Balance({ bought }: { readonly bought: number | null }) {
  if (bought === null) return null;
  return (
    <div class="balance" data-testid="balance">
      <p><span class="up">{shareText(bought)} bought</span><span class="down">{shareText(100 - bought)} sold</span></p>
      <div class="balance-bar" aria-hidden="true"><i style={{ width: `${bought}%` }} /></div>
    </div>
  );
}

function Sizes({ sizes }: { readonly sizes: readonly TradedSize[] }) {
  if (sizes.length === 0) return <p class="panel-none">Nothing was traded in this time.</p>;
  const most = Math.max(...sizes.map(({ volume }) => Number(volume)));
  return (
    <table class="entries sizes" data-testid="sizes">
      <thead><tr><th scope="col">Size of a trade <span class="unit">ETH</span></th><th scope="col">Trades</th><th scope="col">Volume <span class="unit">ETH</span></th></tr></thead>
      <tbody>
        {sizes.map(({ from, to, trades, volume }) => (
          <tr key={from}>
            <th scope="row">{decimal(from)} – {decimal(to)}</th>
            <td>{trades.toLocaleString()}</td>
            <td class="share" style={{ "--share": `${most > 0 ? (Number(volume) / most) * 100 : 0}%` }} title={exactly(volume, "ETH")}>{amountText(volume)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
