/** All tokens of the launchpads that are followed. */

import "../styles/launchpad.css";
import { type Token, TokensApi } from "@openoutcry/client";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { columns } from "./columns.tsx";
import { withoutChain } from "./NoChain.tsx";
import { Banner } from "../app/Banner.tsx";
import { Chip } from "../app/Chip.tsx";
import { listenForKeys } from "../app/keys.ts";
import type { Page } from "../app/pages.ts";
import { Table } from "../app/Table.tsx";
import { Toast } from "../app/Toast.tsx";
import { type Addressed, addressed } from "../state/addressed.ts";
import type { Desk } from "../state/desk.ts";
import { isAddress } from "../state/ether.ts";
import { TokenFeed } from "../state/tokenFeed.ts";
import { firstTokenSort, TOKEN_COLUMNS, type TokenColumn, type TokenSort, windowFor } from "../state/tokenOrder.ts";
import { TokenRanking } from "../state/tokenRanking.ts";
import { type Search, TokenSearch } from "../state/tokenSearch.ts";

type Chosen = Readonly<Record<"q" | "sort" | "order", string>>;

interface Props {
  readonly desk: Desk;
  readonly feed: TokenFeed;
  readonly ranking: TokenRanking;
  readonly search: TokenSearch;
  readonly chosen: Addressed<Chosen>;
}

/** At hand, where heads are hidden or far. */
const SORTS: readonly (readonly [TokenColumn, string])[] = [["volume24h", "24 h volume"], ["marketCap", "Market cap"], ["holders", "Holders"], ["age", "Newest"]];

export function start(desk: Desk): Page {
  if (!desk.config.tokens) return withoutChain(desk);
  const chosen = addressed<Chosen>("tokens", { q: "", sort: "volume24h", order: "" });
  const api = new TokensApi("", desk.asking);
  const feed = new TokenFeed(desk.hub.connection, api, windowFor(sortIn(chosen.value.peek()).by));
  const ranking = new TokenRanking(feed.tokens);
  const search = new TokenSearch(api, feed, () => ranking.again());
  return {
    Tools: () => null,
    Main: () => <Tokens desk={desk} feed={feed} ranking={ranking} search={search} chosen={chosen} />,
    stop() {
      search.stop();
      ranking.stop();
      feed.stop();
      chosen.stop();
    },
  };
}

/** What the address says, or what is usual. */
function sortIn({ sort, order }: Chosen): TokenSort {
  const by = TOKEN_COLUMNS.find((column) => column === sort) ?? "volume24h";
  const usual = firstTokenSort(by);
  return order === "" ? usual : { by, descending: order === "down" };
}

function Tokens({ desk, feed, ranking, search, chosen }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const entered = useRef<string | null>(null);
  useEffect(() => {
    document.title = "Tokens · OpenOutcry";
    return listenForKeys({ "/": () => input.current?.focus() });
  }, []);
  const choice = chosen.value.value;
  const sort = sortIn(choice);
  useEffect(() => {
    ranking.show(choice.q, sort.by, sort.descending);
    feed.want(windowFor(sort.by));
  }, [choice.q, sort.by, sort.descending]);
  // Where the lists have all tokens there is nothing to ask for.
  const isCut = feed.isCut.value;
  useEffect(() => search.want(isCut ? choice.q : ""), [choice.q, isCut]);

  const sortBy = (by: string): void => {
    const column = by as TokenColumn;
    const descending = sort.by === column ? !sort.descending : firstTokenSort(column).descending;
    chosen.set({ sort: column, order: descending === firstTokenSort(column).descending ? "" : descending ? "down" : "up" });
  };
  /** What was typed last may not have been drawn yet. */
  const enter = (): void => {
    const { q } = chosen.value.peek();
    ranking.show(q, sort.by, sort.descending);
    search.want(feed.isCut.peek() ? q : "");
    const query = q.trim();
    const first = ranking.rows.peek()[0];
    if (first) open(first);
    else if (isAddress(query)) open({ address: query });
    else if (search.state.peek().kind === "asking") entered.current = q;
  };
  const open = ({ address }: Pick<Token, "address">): void => void (location.hash = `#token/${address}`);

  const phase = feed.phase.value;
  const rows = ranking.rows.value;
  const found = search.state.value;
  // Who pressed Enter before the answer was there gets the first of it; what was drawn may be older than the key.
  useEffect(() => {
    if (entered.current === null || search.state.peek().kind === "asking") return;
    const first = entered.current === chosen.value.peek().q ? ranking.rows.peek()[0] : undefined;
    entered.current = null;
    if (first) open(first);
  }, [choice.q, rows, found]);
  return (
    <main class="stage single markets" aria-busy={phase.kind === "loading"} data-phase={phase.kind} data-testid="tokens">
      <Banner hub={desk.hub} meanwhile="Tokens are asked for every 10 s." />
      <div class="toolbar" role="search" aria-label="Tokens">
        <Find input={input} query={choice.q} onQuery={(q) => chosen.set({ q })} onEnter={enter} />
        <div class="chips-row" role="group" aria-label="Sorted by">
          {SORTS.map(([by, label]) => (
            <Chip key={by} label={label} on={sort.by === by} onClick={() => chosen.set({ sort: by, order: "" })} />
          ))}
        </div>
        <Source feed={feed} ranking={ranking} search={search} />
        <a class="text-link" href="#platform">Platform</a>
      </div>
      <div
        class="board"
        onPointerEnter={(event) => {
          if (event.pointerType === "mouse") ranking.hold("pointer", true);
        }}
        onPointerLeave={() => ranking.hold("pointer", false)}
        onFocusIn={(event) => ranking.hold("keys", (event.target as Element).role === "grid")}
        onFocusOut={() => ranking.hold("keys", false)}
      >
        {phase.kind === "loading" && <Skeleton />}
        {phase.kind === "error" && (
          <div class="notice" role="alert" data-testid="error">
            <h2>Tokens could not be loaded</h2>
            <p>{phase.message}</p>
            <button type="button" class="button" onClick={() => void feed.load()}>Try again</button>
          </div>
        )}
        {phase.kind === "empty" && (
          <div class="notice" role="status" data-testid="empty">
            <h2>No tokens yet</h2>
            <p>The first one appears here by itself, as soon as a launchpad makes it.</p>
          </div>
        )}
        {phase.kind === "ready" && rows.length > 0 && (
          <Table name="tokens" label="Tokens" items={rows} columns={columns(feed)} keyOf={({ address }) => address} onOpen={open} sort={sort} onSort={sortBy} />
        )}
        {phase.kind === "ready" && rows.length === 0 && <NothingFound query={choice.q.trim()} search={search} onClear={() => chosen.set({ q: "" })} />}
      </div>
      <Toast said={desk.said} />
    </main>
  );
}

interface FindProps {
  readonly input: RefObject<HTMLInputElement | null>;
  readonly query: string;
  onQuery(query: string): void;
  onEnter(): void;
}

function Find({ input, query, onQuery, onEnter }: FindProps) {
  return (
    <div class="find">
      <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="10.5" cy="10.5" r="6" /><path d="m15 15 5 5" /></svg>
      <input
        ref={input}
        type="search"
        aria-label="Search tokens"
        placeholder="Name, symbol or address"
        autocomplete="off"
        spellcheck={false}
        enterkeyhint="search"
        value={query}
        onInput={(event) => onQuery(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && query !== "") onQuery("");
          else if (event.key === "Escape") event.currentTarget.blur();
          else if (event.key === "ArrowDown") document.getElementById("table-tokens")?.focus();
          else if (event.key === "Enter") onEnter();
          else return;
          event.preventDefault();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function Source({ feed, ranking, search }: Pick<Props, "feed" | "ranking" | "search">) {
  const phase = feed.phase.value.kind;
  if (phase !== "ready") return <p class="source" />;
  const live = feed.isPushed;
  const found = search.state.value;
  const [count, title] = counted(feed, ranking.rows.value.length, found);
  return (
    <p class="source" data-testid="source" data-tone={live ? "good" : "wait"} data-search={found.kind}>
      <span role="status" title={title}>{count}</span>
      {found.kind === "failed" && <span class="source-failed" title={found.message}>Others not searched</span>}
      <span class="source-from" title={live ? "The busiest are pushed by the hub, the rest is asked for." : "Asked for every 10 s: the hub says nothing of tokens."}>
        <i aria-hidden="true" />{live ? "Live" : "Polled"}
      </span>
      {ranking.held.value && <span class="source-held" title="Rows change places again when the pointer or the keyboard leaves the list.">Order held</span>}
    </p>
  );
}

/** How many tokens are shown, and of which: while something is searched for, of all that there are. */
function counted(feed: TokenFeed, shown: number, found: Search): readonly [count: string, title: string | undefined] {
  const all = feed.tokens.value.length;
  const noun = all === 1 ? "token" : "tokens";
  if (found.kind === "asking") return [`${shown.toLocaleString()} so far…`, "All tokens are being searched."];
  if (found.kind === "found") {
    const title = "Of all tokens those with a symbol, name, word of a name, address or creator that begins so; of those at hand also what has it inside.";
    return found.more ? [`${shown.toLocaleString()} and more found`, `${title} There are more: type on.`] : [`${shown.toLocaleString()} found`, title];
  }
  const title = feed.isCut.value ? "The list has the first 500 of its order, and the newest. The search finds the others too." : undefined;
  return [shown === all ? `${all.toLocaleString()} ${noun}` : `${shown.toLocaleString()} of ${all.toLocaleString()} ${noun}`, title];
}

function NothingFound({ query, search, onClear }: { readonly query: string; readonly search: TokenSearch; onClear(): void }) {
  const found = search.state.value;
  if (found.kind === "asking") {
    return (
      <div class="notice" role="status" data-testid="searching">
        <h2>Looking for “{query}” among all tokens…</h2>
      </div>
    );
  }
  return (
    <div class="notice" role="status" data-testid="nothing-found">
      <h2>No {found.kind === "failed" ? "token of the list" : "token"} matches “{query}”</h2>
      {isAddress(query) ? (
        <p><a href={`#token/${query}`}>Look it up by its address</a>: the list has not all of them.</p>
      ) : found.kind === "failed" ? (
        <p>The others could not be searched. {found.message}</p>
      ) : found.kind === "found" ? (
        <p>Of all tokens, the beginnings of names, their words, symbols and addresses were searched.</p>
      ) : (
        <p>Names, symbols and addresses are searched.</p>
      )}
      {found.kind === "failed" && <button type="button" class="button" onClick={() => search.retry()}>Search again</button>}
      <button type="button" class="button" onClick={onClear}>Show all tokens</button>
    </div>
  );
}

const ROWS = Array.from({ length: 16 }, (_, index) => 110 + ((index * 37) % 60));

function Skeleton() {
  return (
    <div class="grid-skeleton" role="status" data-testid="loading">
      <span class="sr-only">Loading tokens…</span>
      {ROWS.map((width, index) => <i key={index} aria-hidden="true"><b style={{ width: `${width}px` }} /><b /><b /></i>)}
    </div>
  );
}
