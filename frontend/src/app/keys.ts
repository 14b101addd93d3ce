/** Keys that work anywhere on the page. */

/** So long a second key may take, ms. */
const SECOND = 1_500;

type Actions = Readonly<Record<string, () => void>>;

/** Listen on the page; the answer ends it. Typing and open sheets keep their keys. */
export function listenForKeys(actions: Actions): () => void {
  const onKeyDown = (event: KeyboardEvent): void => {
    const action = actions[event.key];
    if (!action || event.defaultPrevented || isTheirs(event)) return;
    event.preventDefault();
    action();
  };
  addEventListener("keydown", onKeyDown);
  return () => removeEventListener("keydown", onKeyDown);
}

/** `g` and then a letter. It comes before all else, so that the letter does nothing to what has the focus. */
export function listenForJumps(actions: Actions): () => void {
  let askedAt = -Infinity;
  const onKeyDown = (event: KeyboardEvent): void => {
    const { key, timeStamp } = event;
    if (isTheirs(event)) return;
    const action = timeStamp - askedAt < SECOND ? actions[key] : undefined;
    askedAt = key === "g" ? timeStamp : -Infinity;
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    action();
  };
  addEventListener("keydown", onKeyDown, true);
  return () => removeEventListener("keydown", onKeyDown, true);
}

function isTheirs({ ctrlKey, metaKey, altKey, target }: KeyboardEvent): boolean {
  if (ctrlKey || metaKey || altKey || document.querySelector("dialog[open]")) return true;
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}
