import { describe, expect, it } from "vitest";
import { add, compare, isDecimal, multiply, rounded, sign, subtract, sum } from "../src/decimal.ts";

describe("exact arithmetic", () => {
  it("adds what floats cannot", () => {
    expect(add("0.1", "0.2")).toBe("0.3");
    expect(sum(["0.1", "0.1", "0.1", "-0.3"])).toBe("0");
    expect(add("9007199254740993", "0.000000000000000001")).toBe("9007199254740993.000000000000000001");
  });

  it("subtracts and multiplies with signs, and drops needless zeros", () => {
    expect(subtract("1", "1.50")).toBe("-0.5");
    expect(multiply("-0.25", "4")).toBe("-1");
    expect(multiply("0.00001234", "61837.63")).toBe("0.7630763542");
  });

  it("reads exponents, as Python writes small numbers", () => {
    expect(add("1E-8", "0")).toBe("0.00000001");
    expect(add("1E+3", "0")).toBe("1000");
  });

  it("compares by value, not by text", () => {
    expect(compare("1.10", "1.1")).toBe(0);
    expect(compare("9", "10")).toBe(-1);
    expect([sign("-0.0"), sign("-0.1"), sign("2")]).toEqual([0, -1, 1]);
  });

  it("rounds half away from 0", () => {
    expect(rounded("1.005", 2)).toBe("1.01");
    expect(rounded("-1.005", 2)).toBe("-1.01");
    expect(rounded("1.2", 5)).toBe("1.2");
  });

  it("agrees with integers on made-up numbers", () => {
    let seed = 7;
    const next = (): number => (seed = (seed * 48_271) % 2_147_483_647);
    for (let round = 0; round < 500; round++) {
      const a = next() - 1e9;
      const b = next() - 1e9;
      expect(BigInt(multiply(add(`${a}e-4`, `${b}e-4`), "10000"))).toBe(BigInt(a) + BigInt(b));
      expect(BigInt(multiply(`${a}`, `${b}`))).toBe(BigInt(a) * BigInt(b));
    }
  });

  it.each(["", "-", ".", "1.2.3", "0x10", "NaN", "Infinity", "1e9999", " 1"])("does not take %j for a number", (text) => {
    expect(isDecimal(text)).toBe(false);
    expect(() => add(text, "1")).toThrow(RangeError);
  });
});
