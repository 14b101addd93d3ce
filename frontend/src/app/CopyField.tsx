/** A text that is there to be copied. */

import { useRef, useState } from "preact/hooks";

export function CopyField({ label, value }: { readonly label: string; readonly value: string }) {
  const [said, setSaid] = useState<"" | "copied" | "select">("");
  const field = useRef<HTMLInputElement>(null);
  const copy = async (): Promise<void> => setSaid((await copied(value, field.current)) ? "copied" : "select");
  return (
    <div class="copy">
      <input ref={field} type="text" readOnly aria-label={label} value={value} data-testid="copy-value" spellcheck={false} onFocus={(event) => event.currentTarget.select()} />
      <button type="button" class="button" autofocus onClick={() => void copy()}>{said === "copied" ? "Copied" : "Copy"}</button>
      <p class={said === "select" ? "form-note" : "sr-only"} role="status">{said === "copied" ? "Copied." : said === "select" ? "This browser copies nothing by itself on plain http: the text is selected, copy it by hand." : ""}</p>
    </div>
  );
}

/** The clipboard is there on https and localhost only; elsewhere the old way may still work. */
async function copied(text: string, field: HTMLInputElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field?.select();
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    }
  }
}
