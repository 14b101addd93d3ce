/** Everything for one server in one object: who is signed in, the connection, and what is followed over it. */

import { Auth, type AuthOptions, type TokenStore } from "./auth.ts";
import { type Connection, type ConnectionOptions } from "./connection.ts";
import type { Credentials } from "./credentials.ts";
import { tabs, type Peers } from "./peers.ts";
import { connect } from "./shared.ts";
import { TradingApi } from "./trading/api.ts";
import { TradingFeed } from "./trading/feed.ts";

export interface ClientOptions {
  /** Of the API, such as `https://host:8000`; "" for this page's own. */
  readonly origin?: string;
  /** Of the hub, such as `wss://host:8001/api/v1/ws/app`. */
  readonly hubUrl: string;
  /** Where the refresh token outlives the page. */
  readonly store?: TokenStore;
  readonly peers?: Peers;
  readonly fetch?: typeof fetch;
  readonly connection?: ConnectionOptions;
  /** Instead of signing in: an `ApiKey`, for programs. */
  readonly credentials?: Credentials;
}

export interface Client {
  readonly origin: string;
  readonly auth: Auth;
  readonly connection: Connection;
  readonly api: TradingApi;
  readonly trading: TradingFeed;
  /** Give up the share of the connection. */
  close(): void;
}

export function createClient(options: ClientOptions): Client {
  const { origin = "", hubUrl, store, peers = tabs(), fetch, credentials } = options;
  const { connection, release } = connect(hubUrl, options.connection);
  const authOptions: AuthOptions = { peers, ...(store && { store }), ...(fetch && { fetch }) };
  const auth = new Auth(origin, authOptions);
  const api = new TradingApi(credentials ?? auth);
  const trading = new TradingFeed(connection, { api });
  const stop = credentials ? identified(connection, credentials) : followSignIn(auth, connection, trading);
  return {
    origin, auth, connection, api, trading,
    close() {
      stop();
      release();
    },
  };
}

/** Let a connection know who is signed in, now and whenever that changes; what was somebody else's is forgotten. */
export function followSignIn(
  auth: Pick<Auth, "watch" | "token">, connection: Pick<Connection, "identify">, trading: Pick<TradingFeed, "clear">,
): () => void {
  let user: number | null = null;
  return auth.watch((account) => {
    const id = account?.id ?? null;
    if (id === user) return;
    user = id;
    trading.clear();
    connection.identify(id === null ? null : { token: (refused) => auth.token(refused) });
  });
}

function identified(connection: Connection, credentials: Credentials): () => void {
  connection.identify(credentials);
  return () => {};
}
