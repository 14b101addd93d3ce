/** A sentence that answers what somebody did, for as long as it takes to read it. */

import type { Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Said } from "../state/desk.ts";

export function Toast({ said }: { readonly said: Signal<Said | null> }) {
  const text = said.value?.text;
  useEffect(() => {
    if (!said.value) return;
    const timer = setTimeout(() => void (said.value = null), 8_000);
    return () => clearTimeout(timer);
  }, [said.value]);
  return <div class="toast-holder" role="status">{text && <p class="toast" data-testid="toast">{text}</p>}</div>;
}
