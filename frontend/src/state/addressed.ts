/** A filter that the address remembers, so that it can be linked to and survives a reload. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { pageOf, type PageName, queryOf } from "./route.ts";

export interface Addressed<T> {
  readonly value: ReadonlySignal<T>;
  set(change: Partial<T>): void;
  stop(): void;
}

/** `empty` has what is there without a query, and the names that count; values are texts, "" for nothing. */
export function addressed<T extends Readonly<Record<string, string>>>(page: PageName, empty: T): Addressed<T> {
  const read = (): T => {
    const query = queryOf(location.hash);
    return Object.fromEntries(Object.entries(empty).map(([name, value]) => [name, query.get(name) ?? value])) as T;
  };
  const value = signal(read());
  const onHash = (): void => {
    if (pageOf(location.hash) === page) value.value = read();
  };
  addEventListener("hashchange", onHash);
  return {
    value,
    set(change) {
      const next = { ...value.peek(), ...change };
      const query = new URLSearchParams(Object.entries(next).filter(([name, text]) => text !== empty[name]));
      history.replaceState(null, "", query.size === 0 ? `#${page}` : `#${page}?${query}`);
      value.value = next;
    },
    stop: () => removeEventListener("hashchange", onHash),
  };
}
