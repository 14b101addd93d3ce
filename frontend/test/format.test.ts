import { describe, expect, it } from "vitest";
import { bucketTime, compact, decimal, decimalParts, percentChange } from "../src/state/format.ts";

describe("decimal", () => {
  it("shows every digit of a decimal string, also where a float could not", () => {
    expect(decimal("123456789012345678.123456789", 2, "en")).toBe("123,456,789,012,345,678.123456789");
    expect(decimal("0.30000000000000004", 0, "en")).toBe("0.30000000000000004");
  });

  it("pads to the market's scale and understands exponents", () => {
    expect(decimal("61840", 2, "en")).toBe("61,840.00");
    expect(decimal(String(1e-10), 10, "en")).toBe("0.0000000001");
  });

  it("follows the locale", () => {
    expect(decimal("61840.5", 2, "de")).toBe("61.840,50");
  });
});

describe("decimalParts", () => {
  it.each([
    ["61775.79237", 2, "en", ["61,775.79", "237"]],
    ["61775.7", 2, "en", ["61,775.70", ""]],
    ["61775.79237", 2, "de", ["61.775,79", "237"]],
    ["61775.5", 0, "en", ["61,775", ".5"]],
    ["61775", 0, "en", ["61,775", ""]],
  ] as const)("splits %s after %i digits (%s)", (text, digits, locale, parts) => {
    expect(decimalParts(text, digits, locale)).toEqual(parts);
  });
});

describe("the rest", () => {
  it("tells a change in percent with a true minus, and none against zero", () => {
    expect(percentChange("100", "98.5", "en")).toBe("−1.50%");
    expect(percentChange("100", "101.25", "en")).toBe("+1.25%");
    expect(percentChange("0", "1", "en")).toBeNull();
  });

  it("shortens what goes on an axis", () => {
    expect(compact(1_234_567, "en")).toBe("1.23M");
    expect(compact(0.00012, "en")).toBe("0.00012");
    expect(compact(0.3 - 0.1 * 3, "en")).toBe("0");
  });

  it("labels a bucket in UTC as finely as its interval, with the year unless it is this one", () => {
    const time = Date.UTC(2026, 10, 21, 9, 5, 7) / 1000;
    const now = Date.UTC(2026, 11, 31);
    expect(bucketTime(time, 1, "en-GB", now)).toBe("21 Nov, 09:05:07");
    expect(bucketTime(time, 60, "en-GB", now)).toBe("21 Nov, 09:05");
    expect(bucketTime(time, 86_400, "en-GB", now + 86_400_000)).toBe("21 Nov 2026");
  });
});
