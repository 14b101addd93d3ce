/** Find a symbol by typing: a combobox over the list of what is offered. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Sheet } from "../app/Sheet.tsx";
import { type MarketSymbol, pairOf } from "../state/config.ts";
import { matching } from "../state/search.ts";

interface Props {
  readonly symbols: readonly MarketSymbol[];
  readonly current: string;
  onPick(symbol: string): void;
  onClose(): void;
}

export function SymbolPicker({ symbols, current, onPick, onClose }: Props) {
  const [query, setQuery] = useState("");
  const found = matching(symbols, query);
  const [active, setActive] = useState(() => Math.max(0, symbols.findIndex(({ symbol }) => symbol === current)));
  const list = useRef<HTMLUListElement>(null);
  const at = Math.min(active, found.length - 1);

  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at, query]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (to !== undefined && found.length > 0) setActive((to + found.length) % found.length);
    else if (event.key === "Enter" && found[at]) onPick(found[at].symbol);
    else return;
    event.preventDefault();
  };

  return (
    <Sheet label="Choose a symbol" onClose={onClose}>
      <input
        class="search"
        type="text"
        role="combobox"
        placeholder="Search symbols"
        aria-label="Search symbols"
        aria-expanded="true"
        aria-controls="symbol-list"
        aria-activedescendant={found[at] ? `symbol-${found[at].symbol}` : undefined}
        autocomplete="off"
        spellcheck={false}
        autofocus
        value={query}
        onInput={(event) => {
          setQuery(event.currentTarget.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul class="symbols" id="symbol-list" role="listbox" aria-label="Symbols" ref={list}>
        {found.map((market, index) => (
          <li
            key={market.symbol}
            id={`symbol-${market.symbol}`}
            role="option"
            aria-selected={index === at}
            aria-label={pairOf(market)}
            onPointerMove={() => setActive(index)}
            onClick={() => onPick(market.symbol)}
          >
            <b>{market.base}</b><span class="slash">/{market.quote}</span>
            {market.symbol === current && <span class="now">Shown</span>}
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="symbols-none" role="status">No symbol matches “{query}”.</p>}
      <p class="sr-only" role="status">{found.length} of {symbols.length} symbols, {found[at] ? pairOf(found[at]) : "none"} marked</p>
    </Sheet>
  );
}
