/** Asks before something that cannot be undone. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Sheet } from "../app/Sheet.tsx";
import { inWords } from "../state/actions.ts";

interface Props {
  readonly title: string;
  readonly children: ComponentChildren;
  /** On the button that leaves things as they are. */
  readonly keep: string;
  readonly go: string;
  readonly going: string;
  /** Throws `ApiError`, which is shown. */
  act(): Promise<void>;
  onClose(): void;
}

export function Confirm({ title, children, keep, go, going, act, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const press = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await act();
      onClose();
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  return (
    <Sheet label={title} onClose={onClose}>
      <div class="form">
        <div class="form-note">{children}</div>
        {problem && <p class="form-problem" role="alert">{problem}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose} autofocus>{keep}</button>
          <button type="button" class="button danger" disabled={busy} onClick={() => void press()}>{busy ? going : go}</button>
        </div>
      </div>
    </Sheet>
  );
}
