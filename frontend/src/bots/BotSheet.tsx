/** One bot: how it does, its settings to change; or a new one. */

import type { Bot, Strategy } from "@openoutcry/client";
import { useEffect, useState } from "preact/hooks";
import { BotForm } from "./BotForm.tsx";
import type { BotsView } from "./page.tsx";
import { RealBadge } from "../app/RealBadge.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { inWords } from "../state/actions.ts";
import { isReal } from "../state/botForm.ts";
import { livePnlOf } from "../state/live.ts";
import { gain, toneOf } from "../state/money.ts";
import { marketOf } from "../state/tickers.ts";

interface Props {
  readonly view: BotsView;
  /** Null for a new one. */
  readonly bot: Bot | null;
  onClose(): void;
}

export function BotSheet({ view, bot, onClose }: Props) {
  const { strategies, problem, retry } = useStrategies(view);
  return (
    <Sheet label={bot ? bot.name : "New bot"} title={<>{bot ? bot.name : "New bot"}{bot && isReal(bot) && <RealBadge exchange={bot.exchange} />}</>} onClose={onClose} wide>
      {bot && <Standing view={view} bot={bot} />}
      {problem && (
        <div class="form">
          <p class="form-problem" role="alert">{problem}</p>
          <button type="button" class="button quiet" onClick={retry}>Try again</button>
        </div>
      )}
      {strategies && <BotForm view={view} bot={bot} strategies={strategies} onClose={onClose} />}
      {bot && <More view={view} bot={bot} onClose={onClose} />}
    </Sheet>
  );
}

/** What it does at the moment, live. */
function Standing({ view: { desk, actions, turn }, bot }: { readonly view: BotsView; readonly bot: Bot }) {
  void desk.trading.bids.revision.value;
  const { quote } = marketOf(desk.config, bot.ticker);
  const pnl = livePnlOf(desk, bot);
  const newest = desk.trading.state.value.logs.find(({ bot_id }) => bot_id === bot.id);
  const running = bot.status === "ACTIVE";
  return (
    <div class="standing" data-testid="standing">
      <div>
        <p><span class="state" data-tone={bot.status.toLowerCase()}><i aria-hidden="true" />{running ? "Running" : bot.status === "ERROR" ? "Error" : "Stopped"}</span></p>
        <p class={`standing-pnl ${pnl === null ? "" : toneOf(pnl, quote)}`}>{pnl === null ? "…" : gain(pnl, quote)} <span class="unit">{quote}</span></p>
      </div>
      <button type="button" class="button quiet" disabled={actions.busy.value.has(`bot:${bot.id}`)} onClick={() => turn(bot)}>{running ? "Stop" : "Start"}</button>
      {newest && <p class="standing-log" data-level={newest.level.toLowerCase()}>{newest.message}</p>}
    </div>
  );
}

function More({ view: { actions, over, clone }, bot, onClose }: { readonly view: BotsView; readonly bot: Bot; onClose(): void }) {
  const holds = Number(bot.position.quantity) !== 0;
  return (
    <div class="sheet-more">
      <a href={`#orders?tab=orders&bot=${bot.id}`}>Orders</a>
      <a href={`#activity?bot=${bot.id}`}>Log</a>
      {holds && <button type="button" onClick={() => void actions.close(bot)}>Sell what it holds</button>}
      <button type="button" onClick={() => void clone(bot).then((done) => done && onClose())}>Clone</button>
      <button type="button" class="down" onClick={() => void (over.value = { kind: "delete", id: bot.id })}>Delete</button>
    </div>
  );
}

let known: readonly Strategy[] | null = null;

/** Strategies are the same until the server is another; they are asked for once a page. */
function useStrategies({ desk }: BotsView) {
  const [strategies, setStrategies] = useState(known);
  const [problem, setProblem] = useState<string | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (strategies) return;
    let gone = false;
    setProblem(null);
    desk.trading.api.strategies().then(
      (found) => {
        known = found;
        if (!gone) setStrategies(found);
      },
      (error: unknown) => {
        if (!gone) setProblem(inWords(error));
      },
    );
    return () => void (gone = true);
  }, [attempt]);
  return { strategies, problem, retry: () => setAttempt((count) => count + 1) };
}
