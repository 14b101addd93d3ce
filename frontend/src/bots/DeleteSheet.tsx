/** Asks before a bot is deleted. */

import type { Bot } from "@openoutcry/client";
import { useState } from "preact/hooks";
import type { BotsView } from "./page.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { inWords } from "../state/actions.ts";
import { decimal } from "../state/format.ts";
import { marketOf } from "../state/tickers.ts";

interface Props {
  readonly view: BotsView;
  readonly bot: Bot;
  onClose(): void;
}

export function DeleteSheet({ view, bot, onClose }: Props) {
  const { desk, actions } = view;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const remove = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await desk.trading.api.deleteBot(bot.id);
      await actions.catchUp();
      desk.say(`“${bot.name}” is deleted.`);
      onClose();
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  const holds = Number(bot.position.quantity) !== 0;
  return (
    <Sheet label={`Delete ${bot.name}`} title={<>Delete “{bot.name}”?</>} onClose={onClose}>
      <div class="form">
        <p class="form-note">
          {bot.status === "ACTIVE" && "It is running: it stops, and its open orders are cancelled. "}
          {holds && `The ${decimal(bot.position.quantity)} ${marketOf(desk.config, bot.ticker).base} that it holds stay in your account. `}
          Its orders, fills and log stay readable. This cannot be undone.
        </p>
        {problem && <p class="form-problem" role="alert">{problem}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose} autofocus>Keep it</button>
          <button type="button" class="button danger" disabled={busy} onClick={() => void remove()}>{busy ? "Deleting…" : "Delete"}</button>
        </div>
      </div>
    </Sheet>
  );
}
