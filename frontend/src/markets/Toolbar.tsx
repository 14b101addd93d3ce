/** Find, narrow down, and see where the prices come from. */

import type { RefObject } from "preact";
import type { Desk } from "../state/desk.ts";
import { freshnessWords } from "../state/freshness.ts";
import { quoteAssets } from "../state/order.ts";

interface Props {
  readonly desk: Desk;
  readonly search: RefObject<HTMLInputElement | null>;
}

/** So many quote assets are at hand; the rest is in a list. */
const AT_HAND = 4;

export function Toolbar({ desk, search }: Props) {
  const { markets, ranking } = desk;
  const filter = ranking.filter.value;
  void markets.listed.value;
  const quotes = quoteAssets(markets.board);
  const few = quotes.slice(0, AT_HAND);
  const rest = quotes.slice(AT_HAND).sort();
  const known = rest.includes(filter.quote);

  return (
    <div class="toolbar" role="search" aria-label="Markets">
      <div class="find">
        <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="10.5" cy="10.5" r="6" /><path d="m15 15 5 5" /></svg>
        <input
          ref={search}
          type="search"
          aria-label="Search markets"
          placeholder="Search markets"
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          enterkeyhint="search"
          value={filter.query}
          onInput={(event) => ranking.select({ query: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === "Escape" && filter.query !== "") ranking.select({ query: "" });
            else if (event.key === "Escape") event.currentTarget.blur();
            else if (event.key === "ArrowDown" || event.key === "Enter") document.getElementById("market-grid")?.focus();
            else return;
            event.preventDefault();
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <div class="chips">
        <div class="chips-row" role="group" aria-label="Quote asset">
          <Chip label="All" on={filter.quote === ""} onClick={() => ranking.select({ quote: "" })} />
          {few.map((quote) => (
            <Chip key={quote} label={quote} on={filter.quote === quote} onClick={() => ranking.select({ quote })} />
          ))}
          {rest.length > 0 && (
            <span class="chip-select" data-chosen={known}>
              <select
                aria-label="Other quote assets"
                value={known ? filter.quote : ""}
                onChange={(event) => ranking.select({ quote: event.currentTarget.value })}
              >
                <option value="" disabled={!known}>{known ? "All" : "More"}</option>
                {rest.map((quote) => <option key={quote} value={quote}>{quote}</option>)}
              </select>
              <i class="caret" aria-hidden="true" />
            </span>
          )}
        </div>
        <Chip label="Recorded" dot on={filter.recorded} onClick={() => ranking.select({ recorded: !filter.recorded })} />
      </div>
      <Source desk={desk} />
    </div>
  );
}

function Chip({ label, dot = false, on, onClick }: { label: string; dot?: boolean; on: boolean; onClick(): void }) {
  return <button type="button" class={dot ? "chip chip-dot" : "chip"} aria-pressed={on} onClick={onClick}>{label}</button>;
}

function Source({ desk }: { readonly desk: Desk }) {
  const { markets, ranking } = desk;
  const phase = markets.phase.value.kind;
  if (phase !== "ready" && phase !== "empty") return <p class="source" />;
  const { tone, label, title } = freshnessWords(markets.freshness.value, markets.now.value);
  const shown = ranking.rows.value.length;
  const all = markets.board.size;
  const count = shown === all ? `${all.toLocaleString()} markets` : `${shown.toLocaleString()} of ${all.toLocaleString()} markets`;
  return (
    <p class="source" data-testid="source" data-tone={tone}>
      {/* Counted aloud when the search changes it, not when a price does. */}
      <span role="status">{count}</span>
      <span class="source-from" title={title}><i aria-hidden="true" />{label}</span>
      {ranking.held.value && <span class="source-held" title="Rows change places again when the pointer or the keyboard leaves the list.">Order held</span>}
    </p>
  );
}
