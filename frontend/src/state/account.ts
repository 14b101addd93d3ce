/** Who is signed in, as a signal, and what the browser keeps of it. */

import { type Account, Auth, tabs, type TokenStore } from "@openoutcry/client";
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";

const KEY = "openoutcry.refresh";

/**
 * The refresh token lives in sessionStorage: it survives a reload, and is gone with the tab. Unlike
 * localStorage it is not left on a shared machine; unlike a cookie it is never sent by itself, so no other
 * site can make requests with it. The access token is kept in memory only. Tabs that are open together pass
 * both on to one another, so that one sign-in is enough and one tab renews it for all.
 */
export const tabStore: TokenStore = {
  load() {
    try {
      return sessionStorage.getItem(KEY);
    } catch {
      return null; // storage is forbidden here: whoever signs in is signed in until the reload
    }
  },
  save(token) {
    try {
      if (token === null) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, token);
    } catch {
      // as above
    }
  },
};

export class SignedIn {
  readonly auth = new Auth("", { store: tabStore, peers: tabs() });
  readonly account: ReadonlySignal<Account | null>;
  /** The sheet is open. */
  readonly asking: Signal<boolean> = signal(false);
  /** An earlier sign-in, or another tab's, is being taken up. */
  readonly resuming: ReadonlySignal<boolean>;

  constructor() {
    const account = signal<Account | null>(null);
    const resuming = signal(true);
    this.account = account;
    this.resuming = resuming;
    this.auth.watch((value) => void (account.value = value));
    this.auth.resume().catch(() => null).finally(() => void (resuming.value = false));
  }

  get isAdmin(): boolean {
    return this.account.value?.role === "admin";
  }
}
