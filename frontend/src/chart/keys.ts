/** The chart's own keys, while it has the focus. */

import type { Plot } from "./plot.ts";
import type { Bar } from "../state/bars.ts";

export function chartKeys(event: KeyboardEvent, plot: Plot | null, speak: (bar: Bar) => void): void {
  if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
  const walk = (by: number): void => {
    const bar = plot.moveCursor(by);
    if (bar) speak(bar);
  };
  const actions: Record<string, () => void> = {
    ArrowLeft: () => (event.shiftKey ? plot.pan(-20) : walk(-1)),
    ArrowRight: () => (event.shiftKey ? plot.pan(20) : walk(1)),
    PageUp: () => plot.pan(-100),
    PageDown: () => plot.pan(100),
    Home: () => plot.toStart(),
    End: () => plot.toEdge(),
    Escape: () => plot.clearCursor(),
    "+": () => plot.zoom(1.25),
    "=": () => plot.zoom(1.25),
    "-": () => plot.zoom(0.8),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}
