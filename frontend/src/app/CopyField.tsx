/** A text that is there to be copied, shown whole. */

import { useRef, useState } from "preact/hooks";

export function CopyField({ label, value }: { readonly label: string; readonly value: string }) {
  const [said, setSaid] = useState<"" | "copied" | "select">("");
  const text = useRef<HTMLElement>(null);
  const copy = async (): Promise<void> => setSaid((await copied(value, text.current)) ? "copied" : "select");
  return (
    <div class="copy">
      <code ref={text} role="textbox" aria-readonly="true" aria-label={label} tabIndex={0} data-testid="copy-value">{value}</code>
      <button type="button" class="button" autofocus onClick={() => void copy()}>{said === "copied" ? "Copied" : "Copy"}</button>
      <p class={said === "select" ? "form-note" : "sr-only"} role="status">
        {said === "copied" ? "Copied." : said === "select" ? "This browser lets pages copy on https only. The text is selected: copy it by hand." : ""}
      </p>
    </div>
  );
}

/** The clipboard is there on https and localhost only; elsewhere the old way may still work. */
async function copied(value: string, element: HTMLElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    if (element) getSelection()?.selectAllChildren(element);
    return document.execCommand("copy");
  }
}
