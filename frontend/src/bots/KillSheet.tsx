/** Asks before everything is stopped at once. */

import { openOrders } from "@openoutcry/client";
import type { BotsView } from "./page.tsx";
import { usePress } from "../app/KillNotice.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { isReal } from "../state/botForm.ts";
import { counted } from "../state/killSwitch.ts";
interface Props {
  readonly view: BotsView;
  onClose(): void;
}

export function KillSheet({ view: { desk, actions }, onClose }: Props) {
  const { busy, problem, press } = usePress(desk, actions, true, onClose);
  const state = desk.trading.state.value;
  const bots = [...state.bots.values()];
  const running = bots.filter(({ status }) => status === "ACTIVE").length;
  return (
    <Sheet label="Stop all bots" title="Stop all bots?" onClose={onClose}>
      <div class="form">
        <p class="form-note">
          The kill switch stops {counted(running, "running bot")} and cancels {counted(openOrders(state).length, "open order")} at once.
          What they hold stays as it is. No bot can be started until it is reset.
        </p>
        {bots.some(isReal) && <p class="form-note">Orders at an exchange are gone when the exchange has answered. If it does not, cancel them there.</p>}
        {problem && <p class="form-problem" role="alert">{problem}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose} autofocus>Let them run</button>
          <button type="button" class="button danger" disabled={busy} onClick={() => void press()}>{busy ? "Stopping…" : "Stop all"}</button>
        </div>
      </div>
    </Sheet>
  );
}
