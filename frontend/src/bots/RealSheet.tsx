/** Asks before a bot with real money is started, or made once more. */

import type { Bot } from "@openoutcry/client";
import { useState } from "preact/hooks";
import type { BotsView } from "./page.tsx";
import { CheckField } from "../app/fields.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { exchangeName } from "../state/credentials.ts";

interface Props {
  readonly view: BotsView;
  readonly bot: Bot;
  readonly what: "start" | "clone";
  onClose(): void;
}

export function RealSheet({ view: { actions }, bot, what, onClose }: Props) {
  const [understood, setUnderstood] = useState(false);
  const [problem, setProblem] = useState<string | undefined>();
  const busy = actions.busy.value.has(`bot:${bot.id}`);
  const where = exchangeName(bot.exchange);
  const title = what === "start" ? `Start “${bot.name}”?` : `Clone “${bot.name}”?`;
  const go = async (): Promise<void> => {
    if (what === "start") await actions.toggle(bot);
    else if (!understood) return setProblem("Tick this to go on.");
    else await actions.clone(bot, true);
    onClose();
  };
  return (
    <Sheet label={title} onClose={onClose}>
      <div class="form">
        {what === "start" ? (
          <p class="form-warning">It trades with your real money: from now on it sends orders to {where} by itself. What it loses is lost.</p>
        ) : (
          <div class="form-warning">
            <p>The copy trades with your real money at {where} too. It is stopped until you start it.</p>
            <CheckField name="understood" label={`Yes, with my real money at ${where}`} problem={problem} on={understood} onChange={(on) => { setProblem(undefined); setUnderstood(on); }} />
          </div>
        )}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose} autofocus>Leave it</button>
          <button type="button" class="button danger" disabled={busy} onClick={() => void go()}>{what === "start" ? "Start" : "Clone"}</button>
        </div>
      </div>
    </Sheet>
  );
}
