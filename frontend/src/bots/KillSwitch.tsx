/** The way out: everything stops at once. */

import { useState } from "preact/hooks";
import type { BotsView } from "./page.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { inWords } from "../state/actions.ts";

interface Props {
  readonly view: BotsView;
  onClose(): void;
}

export function KillSheet({ view, onClose }: Props) {
  const { busy, problem, press } = usePress(view, true, onClose);
  return (
    <Sheet label="Stop all bots" onClose={onClose}>
      <header class="sheet-head">
        <h2>Stop all bots?</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>✕</button>
      </header>
      <div class="form">
        <p class="form-note">The kill switch stops every bot and cancels every open order at once. What they hold stays as it is. No bot can be started until it is reset.</p>
        {problem && <p class="form-problem" role="alert">{problem}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose} autofocus>Let them run</button>
          <button type="button" class="button danger" disabled={busy} onClick={() => void press()}>{busy ? "Stopping…" : "Stop all"}</button>
        </div>
      </div>
    </Sheet>
  );
}

export function KillNotice({ view }: { readonly view: BotsView }) {
  const { busy, problem, press } = usePress(view, false, () => {});
  return (
    <div class="banner" role="alert" data-testid="killed">
      <p>The kill switch is on: no bot can be started. {problem}</p>
      <button type="button" disabled={busy} onClick={() => void press()}>Reset it</button>
    </div>
  );
}

function usePress({ desk, killed, actions }: BotsView, on: boolean, done: () => void) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const press = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await desk.trading.api.setKillSwitch(on);
      killed.value = on;
      void actions.catchUp();
      done();
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  return { busy, problem, press };
}
