/** Who is asking: what a request and a connection need of it. */

import { type JsonRequest, requestJson } from "./rest.ts";

export interface AccessToken {
  readonly token: string;
  /** When it ends, ms since 1970; `Infinity` for one that does not by itself. */
  readonly until: number;
}

/** `Auth` for people, `ApiKey` for programs. */
export interface Credentials {
  /** Make a request as whoever this is. Throws `ApiError`. */
  request(path: string, options?: JsonRequest): Promise<unknown>;
  /** A token that is still good for a while; null if nobody is signed in. Throws `ApiError`. `refused` is one that the hub did not take. */
  token(refused?: string): Promise<AccessToken | null>;
}

/** A program's own key, `ok_…`. It has to have the scope `trade` to change anything. */
export class ApiKey implements Credentials {
  /** `origin` such as `https://host:8000`, or "" for this page's own. */
  constructor(
    private readonly origin: string,
    private readonly key: string,
    private readonly options: { readonly fetch?: typeof fetch } = {},
  ) {}

  request(path: string, options: JsonRequest = {}): Promise<unknown> {
    return requestJson(`${this.origin}${path}`, { ...this.options, ...options, headers: { ...options.headers, "x-api-key": this.key } });
  }

  token(refused?: string): Promise<AccessToken | null> {
    return Promise.resolve(refused === this.key ? null : { token: this.key, until: Infinity });
  }
}
