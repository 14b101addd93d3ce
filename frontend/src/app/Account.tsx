/** Signing in and out. */

import { ApiError } from "@openoutcry/client";
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Sheet } from "./Sheet.tsx";
import type { SignedIn } from "../state/account.ts";

interface Props {
  readonly signedIn: SignedIn;
}

export function AccountButton({ signedIn }: Props) {
  const account = signedIn.account.value;
  return (
    <button
      type="button"
      class="icon-button"
      data-signed-in={account !== null}
      data-testid="account"
      aria-haspopup="dialog"
      aria-label={account ? `Signed in as ${account.name}` : "Sign in"}
      title={account ? account.name : "Sign in"}
      onClick={() => void (signedIn.asking.value = true)}
    >
      {account ? (
        <span aria-hidden="true">{account.name.slice(0, 1).toUpperCase()}</span>
      ) : (
        <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="8.5" r="3.5" /><path d="M5 20c.6-3.8 3.4-6 7-6s6.4 2.2 7 6" /></svg>
      )}
    </button>
  );
}

/** `signUp`: anybody may make an account here. */
export function AccountSheet({ signedIn, signUp }: Props & { readonly signUp: boolean }) {
  const close = (): void => void (signedIn.asking.value = false);
  const [making, setMaking] = useState(false);
  const account = signedIn.account.value;
  const title = making ? "Create an account" : "Sign in";
  return (
    <Sheet label={account ? "Account" : title} title={account ? account.name : title} onClose={close}>
      {account ? (
        <div class="form">
          <p class="form-note">{account.role === "admin" ? "Administrator" : "User"}. Signed in until the last tab is closed.</p>
          <a class="button" href="#account" onClick={close}>Sessions and keys</a>
          <button
            type="button"
            class="button quiet"
            onClick={() => {
              void signedIn.auth.signOut();
              close();
            }}
          >
            Sign out
          </button>
        </div>
      ) : (
        <SignInForm key={title} signedIn={signedIn} making={making} onDone={close}>
          {signUp && (
            <p class="form-note">
              {making ? "You have an account? " : "New here? "}
              <button type="button" class="link" onClick={() => setMaking(!making)}>{making ? "Sign in" : "Create an account"}</button>
            </p>
          )}
        </SignInForm>
      )}
    </Sheet>
  );
}

interface FormProps extends Props {
  readonly making: boolean;
  readonly children: ComponentChildren;
  onDone(): void;
}

function SignInForm({ signedIn, making, children, onDone }: FormProps) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  const onSubmit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy || !form.current) return;
    const fields = new FormData(form.current);
    setBusy(true);
    setProblem(null);
    const name = String(fields.get("username")).trim();
    const password = String(fields.get("password"));
    try {
      await (making ? signedIn.auth.signUp(name, password) : signedIn.auth.signIn(name, password));
      onDone();
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : "Something unexpected went wrong.");
      setBusy(false);
      form.current?.querySelector<HTMLInputElement>("[name=password]")?.select();
    }
  };

  return (
    <form class="form" ref={form} onSubmit={(event) => void onSubmit(event)} aria-busy={busy}>
      <label>
        <span>Name</span>
        <input name="username" type="text" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus />
      </label>
      <label>
        <span>Password</span>
        <input
          name="password"
          type="password"
          autocomplete={making ? "new-password" : "current-password"}
          minLength={making ? 10 : undefined}
          required
          aria-describedby={problem ? "sign-in-problem" : undefined}
        />
      </label>
      {making && <p class="form-note">At least ten characters; length counts, kinds of characters do not.</p>}
      {problem && <p class="form-problem" id="sign-in-problem" role="alert">{problem}</p>}
      <button type="submit" class="button" disabled={busy}>{making ? (busy ? "Creating…" : "Create account") : busy ? "Signing in…" : "Sign in"}</button>
      {children}
    </form>
  );
}
