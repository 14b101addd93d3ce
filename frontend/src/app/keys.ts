/** Keys that work anywhere on the page. */

export interface Shortcuts {
  search(): void;
  help(): void;
  step(by: 1 | -1): void;
}

/** Listen on the page; the answer ends it. Typing and open sheets keep their keys. */
export function listenForKeys(shortcuts: Shortcuts): () => void {
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey) return;
    if (event.target instanceof HTMLInputElement || document.querySelector("dialog[open]")) return;
    const actions: Record<string, () => void> = {
      "/": shortcuts.search,
      "?": shortcuts.help,
      "[": () => shortcuts.step(-1),
      "]": () => shortcuts.step(1),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  addEventListener("keydown", onKeyDown);
  return () => removeEventListener("keydown", onKeyDown);
}
