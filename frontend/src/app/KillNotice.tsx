/** Over every page of trading while the kill switch is on, whoever has pulled it. */

import { useState } from "preact/hooks";
import { Actions, inWords } from "../state/actions.ts";
import type { Desk } from "../state/desk.ts";
import { pulledInWords } from "../state/killSwitch.ts";

export function KillNotice({ desk }: { readonly desk: Desk }) {
  return desk.killSwitch.on.value ? <On desk={desk} /> : null;
}

function On({ desk }: { readonly desk: Desk }) {
  const [actions] = useState(() => new Actions(desk));
  const { busy, problem, press } = usePress(desk, actions, false, () => {});
  return (
    <div class="banner" role="alert" data-testid="killed">
      <p><b>The kill switch is on.</b> Every bot is stopped, and none can be started until it is reset. {problem}</p>
      <button type="button" disabled={busy} onClick={() => void press()}>{busy ? "Resetting…" : "Reset it"}</button>
    </div>
  );
}

/** Pull the switch or reset it, and say what came of it. */
export function usePress(desk: Desk, actions: Pick<Actions, "catchUp">, on: boolean, done: () => void) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const press = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const result = await desk.killSwitch.press(on);
      void actions.catchUp();
      desk.say(on ? `${pulledInWords(result)} No bot starts until the kill switch is reset.` : "The kill switch is reset. Bots stay stopped until you start them.");
      done();
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  return { busy, problem, press };
}
