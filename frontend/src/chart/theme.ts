/** The chart's colours, from the same custom properties as everything else. */

export interface Theme {
  readonly surface: string;
  readonly line: string;
  readonly text: string;
  readonly muted: string;
  readonly raised: string;
  readonly up: string;
  readonly down: string;
  readonly upSoft: string;
  readonly downSoft: string;
  readonly font: string;
}

export function readTheme(element: Element): Theme {
  const style = getComputedStyle(element);
  const token = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    surface: token("surface"),
    line: token("grid"),
    text: token("text"),
    muted: token("muted"),
    raised: token("raised"),
    up: token("up"),
    down: token("down"),
    upSoft: token("up-soft"),
    downSoft: token("down-soft"),
    font: style.fontFamily,
  };
}
