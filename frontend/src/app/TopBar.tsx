/** Name, symbol, timeframes, connection. */

import { ConnectionPill } from "./ConnectionPill.tsx";
import { Timeframes } from "./Timeframes.tsx";
import type { Session } from "../state/session.ts";

interface Props {
  readonly session: Session;
  onSearch(): void;
  onHelp(): void;
}

export function TopBar({ session, onSearch, onHelp }: Props) {
  const { base, quote } = session.market;
  return (
    <header class="top">
      <h1 class="brand">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 9.5v5M10 6.5v11M15 3.5v17M20 9.5v5" /></svg>
        <span>OpenOutcry</span>
      </h1>
      <button type="button" class="symbol" onClick={onSearch} aria-haspopup="dialog" aria-label={`Symbol ${base}/${quote}. Choose another`} data-testid="symbol">
        <b>{base}</b><span class="slash">/{quote}</span><span class="caret" aria-hidden="true" />
      </button>
      <Timeframes session={session} />
      <ConnectionPill session={session} />
      <button type="button" class="icon-button" onClick={onHelp} aria-haspopup="dialog" aria-label="Keyboard shortcuts">?</button>
    </header>
  );
}
