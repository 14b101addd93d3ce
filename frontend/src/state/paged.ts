/** A long list from the server, newest first, page by page; what the hub tells goes on top or in place. */

import { ApiError, type Page } from "@openoutcry/client";
import { type ReadonlySignal, signal } from "@preact/signals";

export type PagedPhase =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "error"; readonly message: string };

export interface PagedSource<T> {
  /** The page of what is older than `before`; without it the newest. Throws `ApiError`. */
  load(before: string | undefined, signal: AbortSignal): Promise<Page<T>>;
  keyOf(item: T): string;
}

/** A tab that stays open keeps so many. */
const MOST = 5_000;

export class Paged<T> {
  private readonly shownItems = signal<readonly T[]>([]);
  private readonly shownPhase = signal<PagedPhase>({ kind: "loading" });
  private readonly shownMore = signal<"idle" | "loading" | "error" | "end">("idle");
  private next: string | null = null;
  private abort = new AbortController();
  /** What was told while a page was on its way: newer than what is in it. */
  private meanwhile: T[] = [];

  constructor(private readonly source: PagedSource<T>) {
    void this.reload();
  }

  get items(): ReadonlySignal<readonly T[]> {
    return this.shownItems;
  }

  get phase(): ReadonlySignal<PagedPhase> {
    return this.shownPhase;
  }

  /** What becomes of older ones. */
  get older(): ReadonlySignal<"idle" | "loading" | "error" | "end"> {
    return this.shownMore;
  }

  /** Begin anew with the newest. What is shown stays until the answer is there. */
  async reload(): Promise<void> {
    this.abort.abort();
    const own = (this.abort = new AbortController());
    this.meanwhile = [];
    if (this.shownPhase.value.kind === "error") this.shownPhase.value = { kind: "loading" };
    try {
      const { items, next } = await this.source.load(undefined, own.signal);
      if (own.signal.aborted) return;
      this.next = next;
      this.shownItems.value = this.meanwhile.reduce<readonly T[]>((list, item) => this.placed(list, item), items);
      this.shownPhase.value = { kind: "ready" };
      this.shownMore.value = next === null ? "end" : "idle";
    } catch (error) {
      if (!own.signal.aborted) this.shownPhase.value = { kind: "error", message: error instanceof ApiError ? error.message : "Something unexpected went wrong." };
    }
  }

  /** Fetch the page of older ones, unless it is on its way or there is none. */
  async more(): Promise<void> {
    const { next } = this;
    if (next === null || this.shownMore.value === "loading" || this.shownMore.value === "end" || this.shownPhase.value.kind !== "ready") return;
    const own = this.abort;
    this.shownMore.value = "loading";
    try {
      const page = await this.source.load(next, own.signal);
      if (own.signal.aborted) return;
      const known = new Set(this.shownItems.value.map((item) => this.source.keyOf(item)));
      const items = [...this.shownItems.value, ...page.items.filter((item) => !known.has(this.source.keyOf(item)))];
      this.shownItems.value = items;
      this.next = items.length >= MOST ? null : page.next;
      this.shownMore.value = this.next === null ? "end" : "idle";
    } catch {
      if (!own.signal.aborted) this.shownMore.value = "error";
    }
  }

  /** Take what was told: in the place of what it is a newer state of, or on top. */
  put(item: T): void {
    this.meanwhile.push(item);
    if (this.meanwhile.length > MOST) this.meanwhile.shift();
    if (this.shownPhase.value.kind === "ready") this.shownItems.value = this.placed(this.shownItems.value, item);
  }

  /** Drop what no longer belongs here. */
  drop(gone: (item: T) => boolean): void {
    this.shownItems.value = this.shownItems.value.filter((item) => !gone(item));
  }

  stop(): void {
    this.abort.abort();
  }

  private placed(list: readonly T[], item: T): readonly T[] {
    const key = this.source.keyOf(item);
    const at = list.findIndex((other) => this.source.keyOf(other) === key);
    if (at < 0) return [item, ...list].slice(0, MOST);
    return list.with(at, item);
  }
}
