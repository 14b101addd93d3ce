/** A modal sheet: the browser's own dialog keeps the focus inside and closes on Escape. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  readonly label: string;
  /** For a form of two columns. */
  readonly wide?: boolean;
  readonly children: ComponentChildren;
  onClose(): void;
}

export function Sheet({ label, wide = false, children, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the next paint, so that no key typed after the one that opened it is lost.
  useLayoutEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (element && !element.open) element.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      class={wide ? "sheet sheet-wide" : "sheet"}
      ref={dialog}
      aria-label={label}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      {children}
    </dialog>
  );
}
