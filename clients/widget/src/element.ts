/**
 * `<trade-count api="https://…">`: how many trades a platform has made in 7 or 30 days, live.
 *
 * Attributes: `api` (the default is where the script came from), `window` (7d or 30d), `label`,
 * `lang` (else the page's), `hub` (the WebSocket's address, `off` for polling only). What it shows is in
 * `data-state`: loading, ready or error; `data-live` is there while figures are pushed.
 */

import { systemClock } from "../../typescript/src/clock.ts";
import { type Cell, cells, format } from "./digits.ts";
import { type Listener, Source, type World } from "./source.ts";
import { hubUrl, type Stats } from "./stats.ts";
import { STYLE } from "./style.ts";

const DIGITS = [..."0123456789"];
/** How high a digit is, em: as in the style. */
const HEIGHT = 1.25;

/** What the browser gives; a test gives its own. */
export const browser: World = {
  clock: systemClock,
  fetch: (url, init) => fetch(url, init),
  openSocket: (url) => new WebSocket(url) as never,
};

export class TradeCount extends HTMLElement implements Listener {
  static readonly observedAttributes = ["api", "hub", "window", "label", "lang"];
  /** Where the script came from. */
  static home = "";
  /** What the server said of its hub. */
  static hub = "";
  static world: World = browser;

  private readonly label = part("span", "label");
  private readonly number = part("span", "number");
  private readonly read = part("span", "read");
  private source: Source | null = null;
  private stats: Stats | null = null;
  private shown = "";
  private failed = false;

  constructor() {
    super();
    const style = document.createElement("style");
    style.textContent = STYLE;
    const row = part("span", "row");
    const dot = part("span", "dot");
    for (const seen of [this.number, dot]) seen.setAttribute("aria-hidden", "true");
    this.label.setAttribute("part", "label");
    this.number.setAttribute("part", "number");
    row.append(this.number, dot, this.read);
    this.attachShadow({ mode: "open" }).append(style, this.label, row);
  }

  connectedCallback(): void {
    this.render();
    this.begin();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.end();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (!this.isConnected || before === now) return;
    if (name === "api" || name === "hub") {
      this.end();
      this.stats = null;
      this.failed = false;
      this.begin();
    }
    this.shown = ""; // another window or locale is another number: nothing rolls
    this.render();
  }

  onStats(stats: Stats, live: boolean): void {
    this.stats = stats;
    this.failed = false;
    this.toggleAttribute("data-live", live);
    this.render();
  }

  onFailure(): void {
    this.failed = true;
    this.render();
  }

  onLost(): void {
    this.removeAttribute("data-live");
  }

  /** Nobody looks: nothing is asked. */
  private readonly onVisibility = (): void => {
    if (document.hidden) this.end();
    else this.begin();
  };

  private begin(): void {
    if (this.source !== null || document.hidden) return;
    const api = this.api();
    if (api === null) {
      this.onFailure();
      return;
    }
    const told = this.getAttribute("hub");
    const known = api === TradeCount.home ? TradeCount.hub : "";
    const hub = told === "off" ? null : hubUrl(api, told, known);
    this.source = new Source(api, hub, TradeCount.world, this);
    this.source.start();
  }

  private end(): void {
    this.source?.stop();
    this.source = null;
    this.onLost();
  }

  private api(): string | null {
    try {
      const url = new URL(this.getAttribute("api") || TradeCount.home || location.href, location.href);
      return url.protocol === "http:" || url.protocol === "https:" ? url.origin : null;
    } catch {
      return null;
    }
  }

  private render(): void {
    const month = this.getAttribute("window") === "30d";
    const label = this.getAttribute("label") ?? (month ? "Trades in 30 days" : "Trades in 7 days");
    if (this.label.textContent !== label) this.label.textContent = label;
    this.label.hidden = label === "";
    // Old figures are better than none: an error is only shown where there never were any.
    const state = this.stats ? "ready" : this.failed ? "error" : "loading";
    this.dataset.state = state;
    if (this.stats) {
      const language = this.closest("[lang]")?.getAttribute("lang") ?? navigator.language;
      this.show(format(month ? this.stats.trades_30d : this.stats.trades_7d, language));
      return;
    }
    this.shown = "";
    this.number.replaceChildren(state === "error" ? part("span", "quiet", "–") : part("span", "skeleton"));
    this.read.textContent = state === "error" ? "not available" : "loading";
  }

  private show(text: string): void {
    if (text === this.shown) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.number.replaceChildren(...cells(text, still ? "" : this.shown).map(cell));
    this.read.textContent = text;
    this.shown = text;
  }
}

/** Define the element, once; a page may carry the script twice. */
export function define(home: string, hub: string): void {
  if (customElements.get("trade-count")) return;
  TradeCount.home = home;
  TradeCount.hub = hub;
  customElements.define("trade-count", TradeCount);
}

function cell({ text, from }: Cell): HTMLElement {
  const box = part("span", "cell");
  if (from === null) {
    box.textContent = text;
    return box;
  }
  const reel = part("span", "reel rolls");
  reel.style.setProperty("--from", `${from * -HEIGHT}em`);
  reel.style.setProperty("--to", `${Number(text) * -HEIGHT}em`);
  reel.onanimationend = () => {
    box.textContent = text;
  };
  reel.append(...DIGITS.map((digit) => part("span", "", digit)));
  box.append(reel);
  return box;
}

function part(tag: string, name: string, text = ""): HTMLElement {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}
