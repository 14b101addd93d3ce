/** A modal sheet: the browser's own dialog keeps the focus inside and closes on Escape. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  /** What it is called, for who cannot see it; its title too, unless there is another. */
  readonly label: string;
  readonly title?: ComponentChildren;
  /** For a form of two columns. */
  readonly wide?: boolean;
  /** There is nothing to fill in or choose: the way out has the focus. */
  readonly reading?: boolean;
  readonly children: ComponentChildren;
  onClose(): void;
}

export function Sheet({ label, title = label, wide = false, reading = false, children, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const there = useRef(true);
  // Before the next paint, so that no key typed after the one that opened it is lost.
  useLayoutEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (element && !element.open) element.showModal();
    return () => {
      there.current = false;
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      class={wide ? "sheet sheet-wide" : "sheet"}
      ref={dialog}
      aria-label={label}
      // The event comes some time after the dialog has closed: the next sheet may be open by then.
      onClose={() => {
        if (there.current) onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <header class="sheet-head">
        <h2>{title}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={onClose} autofocus={reading}>✕</button>
      </header>
      {children}
    </dialog>
  );
}
