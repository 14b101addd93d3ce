/** Telling the hub who is asking, and telling it again before the token ends. Knows no socket. */

import type { Channels, Outgoing } from "./channels.ts";
import type { Clock } from "./clock.ts";
import type { Credentials } from "./credentials.ts";
import type { ErrorMessage } from "./messages.ts";
import { ApiError } from "./rest.ts";

/** The token is renewed so long before its end, ms; a hub closes what has ended. */
const EARLY = 30_000;
/** A server that could not be asked for a token is asked again after this, ms. */
const AGAIN = 5_000;

export class Identity {
  private credentials: Pick<Credentials, "token"> | null = null;
  /** The id of the newest `auth`, and the token in it. */
  private asked: { readonly id: number; readonly token: string; readonly until: number } | null = null;
  private known = false;
  private up = false;
  /** Counts connects and changes of user: what an earlier one waited for says nothing any more. */
  private round = 0;
  private cancel: (() => void) | null = null;
  /** A token was refused since the last that was taken. */
  private refused = false;

  constructor(
    private readonly channels: Pick<Channels, "identified" | "takeId" | "onError">,
    private readonly send: (message: Outgoing) => void,
    private readonly clock: Clock,
  ) {}

  /** Whether the hub has been told of somebody on this socket. */
  get isKnown(): boolean {
    return this.known || this.asked !== null;
  }

  /** Answers whether that is somebody else than before. */
  become(credentials: Pick<Credentials, "token"> | null): boolean {
    if (credentials === this.credentials) return false;
    this.credentials = credentials;
    this.forget();
    return true;
  }

  /** The socket is open: say who it is. */
  introduce(): void {
    this.up = true;
    this.forget();
    void this.present();
  }

  onClose(): void {
    this.up = false;
    this.forget();
  }

  onAccepted(id: unknown): void {
    if (!this.asked || (id !== undefined && id !== this.asked.id)) return;
    const { until } = this.asked;
    const first = !this.known;
    this.known = true;
    this.refused = false;
    if (Number.isFinite(until)) this.plan(Math.max(1_000, until - EARLY - this.clock.now()), () => void this.present());
    if (first) this.channels.identified();
  }

  /** Answers whether the error was one of ours. A token that is refused is renewed once. */
  onError(error: ErrorMessage): boolean {
    if (!this.asked || error.channel !== undefined || error.id !== this.asked.id) return false;
    const { token } = this.asked;
    this.asked = null;
    if (error.code === "unavailable") {
      this.plan(AGAIN, () => void this.present());
    } else if (this.refused) {
      this.tell(error);
    } else {
      this.refused = true;
      void this.present(token, error);
    }
    return true;
  }

  private async present(refused?: string, error?: ErrorMessage): Promise<void> {
    const { credentials, round } = this;
    if (!credentials || !this.up) return;
    try {
      const access = await credentials.token(refused);
      if (round !== this.round) return;
      if (access === null || access.token === refused) return this.tell(error);
      const id = this.channels.takeId();
      this.asked = { id, ...access };
      this.send({ type: "auth", token: access.token, id });
    } catch (reason) {
      if (round !== this.round) return;
      // A clear no is final until somebody signs in; a server that cannot be reached will be back.
      if (reason instanceof ApiError && !reason.retryable) this.tell(error);
      else this.plan(AGAIN, () => void this.present(refused, error));
    }
  }

  /** Who waits for private channels hears that they are not to be had. */
  private tell(error?: ErrorMessage): void {
    const { code, message } = error ?? { code: "unauthorized", message: "Nobody is signed in." };
    this.channels.onError({ type: "error", code, message, channel: "user" });
  }

  private forget(): void {
    this.round += 1;
    this.cancel?.();
    this.cancel = null;
    this.asked = null;
    this.known = this.refused = false;
  }

  private plan(delay: number, task: () => void): void {
    this.cancel?.();
    this.cancel = this.clock.after(delay, task);
  }
}
