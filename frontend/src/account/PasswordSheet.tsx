/** Another password for oneself. */

import { useRef, useState } from "preact/hooks";
import type { AccountView } from "./page.tsx";
import { Field } from "../app/fields.tsx";
import { Sheet } from "../app/Sheet.tsx";
import { counted } from "../state/killSwitch.ts";
import { type PasswordProblems, passwordProblems, type PasswordValues, refusedPassword } from "../state/password.ts";

interface Props {
  readonly view: AccountView;
  readonly name: string;
  onClose(): void;
}

export function PasswordSheet({ view: { desk, feed }, name, onClose }: Props) {
  const [values, setValues] = useState<PasswordValues>({ current: "", next: "", again: "" });
  const [shown, setShown] = useState<PasswordProblems>({});
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const set = (change: Partial<PasswordValues>): void => {
    setShown({});
    setValues({ ...values, ...change });
  };
  const show = (problems: PasswordProblems): void => {
    setShown(problems);
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
  };

  const change = async (): Promise<void> => {
    if (busy) return;
    const wrong = passwordProblems(values);
    if (Object.keys(wrong).length > 0) return show(wrong);
    setBusy(true);
    try {
      const ended = await feed.api.changePassword(values.current, values.next);
      void feed.sessions.load();
      desk.say(`The password is changed${ended > 0 ? `, ${counted(ended, "other session")} ended` : ""}. API keys go on working.`);
      onClose();
    } catch (error) {
      setBusy(false);
      show(refusedPassword(error));
    }
  };

  return (
    <Sheet label="Change password" onClose={onClose}>
      <form
        class="form" ref={form} noValidate aria-busy={busy}
        onSubmit={(event) => {
          event.preventDefault();
          void change();
        }}
      >
        {/* Password managers file it under the name. */}
        <input type="text" name="username" autocomplete="username" value={name} hidden readOnly />
        <Field name="current" label="Current password" value={values.current} problem={shown.current} secret="current-password" autofocus onInput={(current) => set({ current })} />
        <Field name="next" label="New password" hint="10 to 200 characters. Length counts, no kinds of characters are asked for." value={values.next} problem={shown.next} secret="new-password" onInput={(next) => set({ next })} />
        <Field name="again" label="New password again" value={values.again} problem={shown.again} secret="new-password" onInput={(again) => set({ again })} />
        <p class="form-note">Your other sessions end. API keys stay as they are.</p>
        {shown.rest && <p class="form-problem" role="alert">{shown.rest}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose}>Cancel</button>
          <button type="submit" class="button" disabled={busy}>{busy ? "Changing…" : "Change it"}</button>
        </div>
      </form>
    </Sheet>
  );
}
