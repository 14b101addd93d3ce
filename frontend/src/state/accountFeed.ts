/** One's sessions and keys, asked for while somebody looks: no channel tells of them. */

import { AccountApi, type ApiKeyInfo, type Auth, type ExchangeKey, type SignInSession } from "@openoutcry/client";
import { Asked } from "./asked.ts";

const EVERY = 30_000;

export class AccountFeed {
  readonly api: AccountApi;
  readonly sessions: Asked<readonly SignInSession[]>;
  readonly keys: Asked<readonly ApiKeyInfo[]>;
  /** Null where live trading is off: they would be of no use. */
  readonly exchangeKeys: Asked<readonly ExchangeKey[]> | null;
  private readonly end: () => void;

  constructor(auth: Pick<Auth, "request">, live: boolean) {
    this.api = new AccountApi(auth);
    this.sessions = new Asked((signal) => this.api.sessions({ signal }));
    this.keys = new Asked((signal) => this.api.keys({ signal }));
    this.exchangeKeys = live ? new Asked((signal) => this.api.exchangeKeys({ signal })) : null;
    const look = (): void => {
      if (!document.hidden) this.load();
    };
    const timer = setInterval(look, EVERY);
    document.addEventListener("visibilitychange", look);
    this.end = () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
    this.load();
  }

  load(): void {
    for (const one of [this.sessions, this.keys, this.exchangeKeys]) void one?.load();
  }

  stop(): void {
    this.end();
    for (const one of [this.sessions, this.keys, this.exchangeKeys]) one?.stop();
  }
}
