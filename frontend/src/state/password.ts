/** Another password: what can be seen to be wrong without asking, and whose field a refusal is about. Pure. */

import { ApiError } from "@openoutcry/client";
import { inWords } from "./actions.ts";

export interface PasswordValues {
  readonly current: string;
  readonly next: string;
  readonly again: string;
}

export type PasswordProblems = Readonly<Partial<Record<keyof PasswordValues | "rest", string>>>;

/** As the server has it. */
const SHORTEST = 10;

export function passwordProblems({ current, next, again }: PasswordValues): PasswordProblems {
  return {
    ...(current === "" && { current: "Needed." }),
    ...([...next].length < SHORTEST ? { next: `At least ${SHORTEST} characters.` } : next === current && { next: "This is the one that you have." }),
    ...(again !== next && { again: "Not the same." }),
  };
}

/** The server's refusal, at the field that it is about: 403 is a wrong password, 400 a new one that will not do. */
export function refusedPassword(error: unknown): PasswordProblems {
  const status = error instanceof ApiError ? error.status : null;
  const words = inWords(error);
  return status === 403 ? { current: words } : status === 400 ? { next: words } : { rest: words };
}
