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
  private accepted: string | null = null;
  private up = false;
  /** Counts connects and changes of user: what an earlier one waited for says nothing any more. */
  private round = 0;
  private cancel: (() => void) | null = null;
  /** The token that was refused since the last that was taken. */
  private refused: string | null = null;
  /** A second token was refused too: there is no use in trying until somebody signs in. */
  private muted = false;

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
    this.refused = null;
    this.muted = false;
    this.forget();
    return true;
  }

  /** The socket is open: say who it is. */
  introduce(): void {
    this.up = true;
    this.forget();
    void this.present();
  }

  /**
   * The socket is gone. Answers whether that was because of the token and another one may do: `refusal`
   * says that the hub closed it because of who is signed in.
   */
  onClose(refusal = false): boolean {
    this.up = false;
    const { token } = this.asked ?? { token: this.accepted };
    if (refusal && this.refused === null) this.refused = token;
    const again = refusal && this.refused !== null && !this.muted;
    this.forget();
    return again;
  }

  onAccepted(id: unknown): void {
    if (!this.asked || (id !== undefined && id !== this.asked.id)) return;
    const { token, until } = this.asked;
    const first = !this.known;
    this.known = true;
    this.accepted = token;
    this.refused = null;
    if (Number.isFinite(until)) this.plan(Math.max(1_000, until - EARLY - this.clock.now()), () => void this.present());
    if (first) this.channels.identified();
  }

  /** Answers whether the error was one of ours. After a refusal the hub closes; another token is tried once. */
  onError(error: ErrorMessage): boolean {
    if (!this.asked || error.channel !== undefined || error.id !== this.asked.id) return false;
    if (error.code === "unavailable") {
      this.plan(AGAIN, () => void this.present());
      return true;
    }
    if (this.refused !== null) {
      this.muted = true;
      this.tell(error);
    }
    this.refused = this.asked.token;
    return true;
  }

  private async present(): Promise<void> {
    const { credentials, round } = this;
    if (!credentials || !this.up || this.muted) return;
    const refused = this.refused ?? undefined;
    try {
      const access = await credentials.token(refused);
      if (round !== this.round) return;
      if (access === null || access.token === refused) return this.tell();
      const id = this.channels.takeId();
      this.asked = { id, ...access };
      this.send({ type: "auth", token: access.token, id });
    } catch (reason) {
      if (round !== this.round) return;
      // A clear no is final until somebody signs in; a server that cannot be reached will be back.
      if (reason instanceof ApiError && !reason.retryable) this.tell();
      else this.plan(AGAIN, () => void this.present());
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
    this.accepted = null;
    this.known = false;
  }

  private plan(delay: number, task: () => void): void {
    this.cancel?.();
    this.cancel = this.clock.after(delay, task);
  }
}
