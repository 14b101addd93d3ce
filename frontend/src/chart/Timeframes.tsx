/** Six timeframes at hand, the rest in a menu. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { FAVOURITES, inWords } from "../state/intervals.ts";

interface Props {
  readonly current: string;
  readonly offered: readonly string[];
  onSelect(interval: string): void;
}

export function Timeframes({ current, offered, onSelect }: Props) {
  const favourites = FAVOURITES.filter((name) => offered.includes(name));
  const rest = offered.filter((name) => !favourites.includes(name));
  const group = useRef<HTMLDivElement>(null);

  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = Math.max(0, favourites.indexOf(current));
    const name = favourites[(at + step + favourites.length) % favourites.length];
    if (name === undefined) return;
    onSelect(name);
    group.current?.querySelector<HTMLElement>(`[data-interval="${name}"]`)?.focus();
  };

  return (
    <div class="frames">
      <div class="frames-row" role="radiogroup" aria-label="Timeframe" ref={group} onKeyDown={onKeyDown}>
        {favourites.map((name, index) => (
          <button
            key={name}
            type="button"
            role="radio"
            class="frame"
            data-interval={name}
            aria-checked={name === current}
            aria-label={inWords(name)}
            tabIndex={name === current || (index === 0 && !favourites.includes(current)) ? 0 : -1}
            onClick={() => onSelect(name)}
          >
            {name}
          </button>
        ))}
      </div>
      {rest.length > 0 && <MoreFrames names={rest} current={current} onPick={onSelect} />}
    </div>
  );
}

interface MoreProps {
  readonly names: readonly string[];
  readonly current: string;
  onPick(name: string): void;
}

function MoreFrames({ names, current, onPick }: MoreProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const toggle = useRef<HTMLButtonElement>(null);
  const chosen = names.includes(current);
  const items = (): HTMLElement[] => [...(root.current?.querySelectorAll<HTMLElement>("[role=menuitemradio]") ?? [])];

  // Before the next paint: the focus has to be in the menu when the next key comes.
  useLayoutEffect(() => {
    if (!open) return;
    (items().find((item) => item.ariaChecked === "true") ?? items()[0])?.focus();
    const onPointer = (event: PointerEvent): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", onPointer);
    return () => removeEventListener("pointerdown", onPointer);
  }, [open]);

  const close = (): void => {
    setOpen(false);
    toggle.current?.focus();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (!open) return;
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) all[(to + all.length) % all.length]?.focus();
    else if (event.key === "Escape") close();
    else if (event.key === "Tab") return setOpen(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="more" ref={root} onKeyDown={onKeyDown}>
      <button
        type="button"
        class="frame"
        ref={toggle}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={chosen ? `More timeframes, now ${inWords(current)}` : "More timeframes"}
        data-chosen={chosen}
        onClick={() => setOpen(!open)}
      >
        {chosen ? current : "More"} <span class="caret" aria-hidden="true" />
      </button>
      {open && (
        <div class="menu" role="menu" aria-label="More timeframes">
          {names.map((name) => (
            <button
              key={name}
              type="button"
              role="menuitemradio"
              aria-checked={name === current}
              aria-label={inWords(name)}
              tabIndex={-1}
              onClick={() => {
                onPick(name);
                close();
              }}
            >
              {name}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
