/** Whether the kill switch is on, in every tab, whoever has pulled it. */

import { type Connection, type KillSwitchResult, whileDown } from "@openoutcry/client";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { SignedIn } from "./account.ts";
import { coalesce } from "./coalesce.ts";
import type { Trading } from "./trading.ts";

/** What is told within so long is asked for once, ms. */
const TOGETHER = 300;

export class KillSwitch {
  private readonly shown = signal<boolean | null>(null);
  private readonly end: () => void;

  constructor(
    signedIn: Pick<SignedIn, "account">,
    private readonly trading: Pick<Trading, "api" | "feed">,
    private readonly connection: Pick<Connection, "watch">,
    private readonly say: (text: string) => void,
  ) {
    this.end = effect(() => (signedIn.account.value === null ? undefined : this.follow()));
  }

  /** Null while nobody has said. */
  get on(): ReadonlySignal<boolean | null> {
    return this.shown;
  }

  /** Pull it, or reset it. Throws `ApiError`. */
  async press(on: boolean): Promise<KillSwitchResult> {
    const result = await this.trading.api.setKillSwitch(on);
    this.shown.value = result.on;
    return result;
  }

  stop(): void {
    this.end();
  }

  private follow(): () => void {
    const abort = new AbortController();
    let words: string | null = null;
    const ask = coalesce(TOGETHER, () => {
      const told = words;
      words = null;
      this.trading.api.portfolio({ signal: abort.signal }).then(({ kill_switch: on }) => {
        const before = this.shown.peek();
        this.shown.value = on;
        // Pulled somewhere else: bots that stop before one's eyes need a reason.
        if (on && before === false && told !== null) this.say(told);
      }, () => {});
    });
    ask();
    const { feed } = this.trading;
    const ends = [
      () => abort.abort(),
      () => ask.cancel(),
      feed.onRenewed(() => ask()),
      whileDown(this.connection, () => ask()),
      // The log says that something of the whole account has changed.
      feed.hear((message) => {
        if (message.type !== "log_created" || message.data.bot_id !== null) return;
        if (message.data.level === "WARNING") words = message.data.message;
        ask();
      }),
    ];
    return () => {
      for (const end of ends) end();
      this.shown.value = null;
    };
  }
}

/** `3 bots stopped, 1 order cancelled.` */
export function pulledInWords({ bots_stopped: bots, orders_cancelled: orders }: KillSwitchResult): string {
  return `${counted(bots, "bot")} stopped, ${counted(orders, "order")} cancelled.`;
}

export function counted(count: number, thing: string): string {
  return `${count.toLocaleString()} ${thing}${count === 1 ? "" : "s"}`;
}
