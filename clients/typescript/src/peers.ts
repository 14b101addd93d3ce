/** Tabs that share a session: one renews it for all, a new one joins in, and signing out counts everywhere. */

import type { AccessToken } from "./credentials.ts";

/** Where a session stands. `access` is missing where it has run out. */
export interface SharedTokens {
  readonly refreshToken: string;
  readonly access?: AccessToken;
}

export interface PeerListener {
  /** What this tab has; null if nobody is signed in here. */
  current(): SharedTokens | null;
  /** Another tab has renewed the session that this one has too. */
  onRenewed(tokens: SharedTokens): void;
  onSignedOut(): void;
}

export interface Peers {
  listen(listener: PeerListener): void;
  /** Run a task while no other tab runs one. */
  alone<T>(task: () => Promise<T>): Promise<T>;
  /** What has become of a refresh token, or with null, of any session; null if no other tab knows. */
  ask(refreshToken: string | null): Promise<SharedTokens | null>;
  tellRenewed(from: string, tokens: SharedTokens): void;
  tellSignedOut(refreshToken: string): void;
}

/** For programs, and for pages that share nothing. */
export const ALONE: Peers = {
  listen() {},
  alone: (task) => task(),
  ask: () => Promise.resolve(null),
  tellRenewed() {},
  tellSignedOut() {},
};

/** As much of a `BroadcastChannel` as is used here. */
export interface Wire {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** As much of `navigator.locks` as is used here. */
export interface Locks {
  request<T>(name: string, task: () => Promise<T>): Promise<T>;
}

export interface TabsOptions {
  /** Pages of one origin with the same name share their sessions. */
  readonly name?: string;
  readonly wire?: Wire;
  readonly locks?: Locks | null;
  /** How long another tab may take to answer, ms. */
  readonly within?: number;
}

type Message =
  | { readonly kind: "ask"; readonly id: number; readonly of: string | null }
  /** `newer`: what was asked about is used up. Otherwise it is merely what this tab has too. */
  | { readonly kind: "answer"; readonly id: number; readonly newer: boolean; readonly tokens: SharedTokens }
  | { readonly kind: "renewed"; readonly from: string; readonly tokens: SharedTokens }
  | { readonly kind: "signedOut"; readonly of: string };

/** So many refresh tokens that were used up are remembered, to tell a tab that still has one where it leads. */
const REMEMBERED = 64;

/**
 * Share sessions with the other tabs of this origin.
 *
 * A refresh token that is shown twice ends its session, so a tab renews only while it holds the one lock
 * (Web Locks), and only after it has asked the others whether its token has been renewed already: a tab
 * that was duplicated, restored or asleep may have an old one. Tokens pass from tab to tab in memory
 * (BroadcastChannel) and are written nowhere. Where the browser has no Web Locks (pages that are not
 * served over https or from localhost), tabs only ask: two that renew within the same moment can still
 * end the session.
 */
export function tabs({
  name = "openoutcry.session",
  wire = typeof BroadcastChannel === "function" ? new BroadcastChannel(name) : undefined,
  locks = typeof navigator === "object" && "locks" in navigator ? (navigator.locks as unknown as Locks) : null,
  within = 150,
}: TabsOptions = {}): Peers {
  if (!wire) return ALONE;
  const channel = wire;
  const usedUp: string[] = [];
  const waiting = new Map<number, (tokens: SharedTokens, newer: boolean) => void>();
  let listener: PeerListener | null = null;

  const isOurs = (token: string): boolean => listener?.current()?.refreshToken === token || usedUp.includes(token);
  const post = (message: Message): void => channel.postMessage(message);
  const remember = (token: string): void => {
    usedUp.push(token);
    if (usedUp.length > REMEMBERED) usedUp.shift();
  };

  channel.onmessage = ({ data }: { data: unknown }) => {
    const message = data as Message;
    const current = listener?.current() ?? null;
    switch (message.kind) {
      case "ask":
        if (current && (message.of === null || isOurs(message.of))) {
          post({ kind: "answer", id: message.id, newer: message.of !== current.refreshToken, tokens: current });
        }
        break;
      case "answer":
        waiting.get(message.id)?.(message.tokens, message.newer);
        break;
      case "renewed":
        if (current?.refreshToken !== message.from) break;
        remember(message.from);
        listener?.onRenewed(message.tokens);
        break;
      case "signedOut":
        if (isOurs(message.of)) listener?.onSignedOut();
        break;
    }
  };

  return {
    listen(own) {
      listener = own;
    },
    alone: (task) => (locks ? locks.request(name, task) : task()),
    ask(of) {
      // Not counted up: numbers of two tabs would be the same.
      const id = Math.random();
      return new Promise((resolve) => {
        let same: SharedTokens | null = null;
        const done = (tokens: SharedTokens | null): void => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve(tokens);
        };
        const timer = setTimeout(() => done(same), within);
        waiting.set(id, (tokens, newer) => {
          if (!newer) {
            // Another may know better: only the end of the wait says that nobody does.
            same = tokens;
            return;
          }
          if (of !== null) remember(of);
          done(tokens);
        });
        post({ kind: "ask", id, of });
      });
    },
    tellRenewed(from, tokens) {
      remember(from);
      post({ kind: "renewed", from, tokens });
    },
    tellSignedOut(of) {
      post({ kind: "signedOut", of });
    },
  };
}
