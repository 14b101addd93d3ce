/** How numbers are written, and which of their digits roll. */

import { describe, expect, it } from "vitest";
import { cells, format } from "../src/digits.ts";

describe("format", () => {
  it("separates thousands as the locale does", () => {
    expect(format(1234567, "en")).toBe("1,234,567");
    expect(format(1234567, "de")).toBe("1.234.567");
    expect(format(1234567, "en-IN")).toBe("12,34,567");
  });

  it("survives a language that is none", () => {
    expect(format(12, "no such language")).toBe("12");
    expect(format(12, "")).toBe("12");
  });
});

describe("cells", () => {
  it("rolls the digits that changed, counted from the right", () => {
    expect(cells("1,000", "999").map(({ text, from }) => [text, from])).toEqual([
      ["1", null], [",", null], ["0", 9], ["0", 9], ["0", 9],
    ]);
    expect(cells("123", "124").map(({ from }) => from)).toEqual([null, null, 4]);
  });

  it("rolls nothing where nothing stood, and no separators or other scripts", () => {
    expect(cells("42", "").every(({ from }) => from === null)).toBe(true);
    expect(cells("1.0", "1,0").every(({ from }) => from === null)).toBe(true);
    expect(cells("٤", "٥")[0]).toEqual({ text: "٤", from: null });
  });
});
