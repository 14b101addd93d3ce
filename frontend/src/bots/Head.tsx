/** Over the list of bots: sums, what to show of it, and what can be done to all. */

import type { BotsView } from "./page.tsx";
import { Chip } from "../app/Chip.tsx";
import { type BotRow, botTotals, type StatusFilter } from "../state/botRows.ts";
import { gain, money, toneOf } from "../state/money.ts";
import { marketOf } from "../state/tickers.ts";

const FILTERS: readonly (readonly [StatusFilter, string])[] = [["all", "All"], ["active", "Running"], ["stopped", "Stopped"], ["error", "Error"]];

export function BotsHead({ view, rows }: { readonly view: BotsView; readonly rows: readonly BotRow[] }) {
  const { desk, filter, over } = view;
  const totals = botTotals(rows, (ticker) => marketOf(desk.config, ticker).quote);
  const { status, query } = filter.value;
  return (
    <div class="toolbar" role="search" aria-label="Bots">
      <div class="find">
        <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="10.5" cy="10.5" r="6" /><path d="m15 15 5 5" /></svg>
        <input
          id="find-bot"
          type="search"
          aria-label="Search bots"
          placeholder="Search bots"
          autocomplete="off"
          spellcheck={false}
          value={query}
          onInput={(event) => void (filter.value = { ...filter.peek(), query: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === "Escape") event.currentTarget.blur();
            else if (event.key === "ArrowDown" || event.key === "Enter") document.getElementById("table-bots")?.focus();
            else return;
            event.preventDefault();
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <div class="chips-row" role="group" aria-label="Status">
        {FILTERS.filter(([name]) => name !== "error" || totals.errors > 0 || status === "error").map(([name, label]) => (
          <Chip key={name} label={label} on={status === name} onClick={() => void (filter.value = { ...filter.peek(), status: name })} />
        ))}
      </div>
      <dl class="sums" data-testid="bot-sums">
        {totals.count > 0 && <div><dt>Running</dt><dd>{totals.active} of {totals.count}</dd></div>}
        {totals.byAsset.map(({ asset, pnl, fees, complete }) => (
          <div key={asset} title={`Fees of ${money(fees, asset)} ${asset} are taken off${complete ? "" : "; some positions wait for a price"}`}>
            <dt>PnL</dt>
            <dd class={toneOf(pnl, asset)} data-testid="total-pnl">{gain(pnl, asset)} <span class="unit">{asset}</span></dd>
          </div>
        ))}
      </dl>
      <div class="head-buttons">
        {desk.killSwitch.on.value === false && totals.active > 0 && (
          <button type="button" class="button quiet" aria-haspopup="dialog" onClick={() => void (over.value = { kind: "kill" })}>Stop all</button>
        )}
        <button type="button" class="button" aria-haspopup="dialog" onClick={() => void (over.value = { kind: "new" })}>New bot</button>
      </div>
    </div>
  );
}
