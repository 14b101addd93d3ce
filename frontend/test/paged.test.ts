import { ApiError, type Page } from "@openoutcry/client";
import { describe, expect, it } from "vitest";
import { Paged } from "../src/state/paged.ts";

interface Item {
  readonly id: number;
  readonly word?: string;
}

interface Asked {
  readonly before: string | undefined;
  answer(page: Page<Item>): void;
  fail(): void;
}

function make() {
  const asked: Asked[] = [];
  const list = new Paged<Item>({
    keyOf: ({ id }) => String(id),
    load: (before) =>
      new Promise((resolve, reject) => {
        asked.push({ before, answer: resolve, fail: () => reject(new ApiError("http", "Not now.", 503)) });
      }),
  });
  const ids = () => list.items.value.map(({ id }) => id);
  return { list, asked, ids };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
const items = (...ids: readonly number[]): Item[] => ids.map((id) => ({ id }));

describe("a long list", () => {
  it("goes on page by page until the end, each item once", async () => {
    const { list, asked, ids } = make();
    asked[0]?.answer({ items: items(9, 8), next: "8" });
    await settled();
    void list.more();
    void list.more();
    expect(asked.map(({ before }) => before)).toEqual([undefined, "8"]);
    asked[1]?.answer({ items: items(8, 7), next: null });
    await settled();
    expect(ids()).toEqual([9, 8, 7]);
    expect(list.older.value).toBe("end");
    await list.more();
    expect(asked).toHaveLength(2);
  });

  it("takes what is told on top, or in the place of what it is a newer state of", async () => {
    const { list, asked, ids } = make();
    asked[0]?.answer({ items: items(2, 1), next: null });
    await settled();
    list.put({ id: 3 });
    list.put({ id: 1, word: "changed" });
    expect(ids()).toEqual([3, 2, 1]);
    expect(list.items.value[2]?.word).toBe("changed");
  });

  it("lays what was told while the page was on its way over it", async () => {
    const { list, asked, ids } = make();
    list.put({ id: 2, word: "newer" });
    list.put({ id: 3 });
    asked[0]?.answer({ items: items(2, 1), next: null });
    await settled();
    expect(ids()).toEqual([3, 2, 1]);
    expect(list.items.value[1]?.word).toBe("newer");
  });

  it("forgets an answer that a reload has overtaken, and keeps showing what it had", async () => {
    const { list, asked, ids } = make();
    asked[0]?.answer({ items: items(1), next: null });
    await settled();
    void list.reload();
    void list.reload();
    asked[1]?.answer({ items: items(99), next: null });
    await settled();
    expect(ids()).toEqual([1]);
    asked[2]?.answer({ items: items(2, 1), next: null });
    await settled();
    expect(ids()).toEqual([2, 1]);
  });

  it("says why it could not be had, and tries again", async () => {
    const { list, asked, ids } = make();
    asked[0]?.fail();
    await settled();
    expect(list.phase.value).toEqual({ kind: "error", message: "Not now." });
    void list.reload();
    expect(list.phase.value.kind).toBe("loading");
    asked[1]?.answer({ items: items(1), next: "1" });
    await settled();
    void list.more();
    asked[2]?.fail();
    await settled();
    expect([list.older.value, ids()]).toEqual(["error", [1]]);
  });
});
