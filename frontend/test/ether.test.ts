import { describe, expect, it } from "vitest";
import { amountText, exactly, isAddress, priceText, priceWords, shareText, shortAddress } from "../src/state/ether.ts";

describe("a price", () => {
  it.each([
    ["0", "0"], ["1", "1.0000"], ["1234.5678", "1,234.6"], ["250000", "250K"], ["0.5", "0.50000"], ["0.00123456", "0.0012346"],
    ["0.000123456", "0.00012346"], ["0.0000123456", "0.0₄12346"], ["0.000000003014", "0.0₈30140"], ["0.0000000030000", "0.0₈30000"],
    ["0.00000000000000000123", "0.0₁₇12300"], ["-0.0000000030", "−0.0₈30000"],
  ])("of %s is written %s", (value, text) => {
    expect(priceText(value, 5, "en-US")).toBe(text);
  });

  it("that rounds up to the next power of ten has one zero less", () => {
    expect(priceText("0.00000999996", 4, "en-US")).toBe("0.0₄1000");
  });

  it("is said as the number that it is", () => {
    expect(Number(priceWords("0.000000003014", "en-US"))).toBe(0.000000003014);
  });

  it("follows the language", () => {
    expect(priceText("0.000000003014", 4, "de-DE")).toBe("0,0₈3014");
  });
});

describe("an amount", () => {
  it.each([
    ["0", "0"], ["12345.6", "12.3K"], ["912345678", "912M"], ["1234.567", "1,234.57"], ["42.1234", "42.12"], ["3", "3.00"],
    ["0.04217", "0.0422"], ["0.000042", "0.0₄42"], ["-2.5", "-2.50"],
  ])("of %s is written %s", (value, text) => {
    expect(amountText(value, "en-US")).toBe(text);
  });

  it("has all its digits behind it", () => {
    const price = "0.000000003014285714285714285714285714";
    expect(exactly(price, "ETH", "en-US")).toBe(`${price} ETH`);
    expect(exactly("1234.000000000000000001", "ETH", "en-US")).toBe("1,234.000000000000000001 ETH");
  });
});

describe("the rest", () => {
  it("tells a small share from none", () => {
    expect([0, 0.001, 12.3456, 100].map((share) => shareText(share, "en-US"))).toEqual(["0.00%", "<0.01%", "12.35%", "100%"]);
  });

  it("shortens and knows addresses", () => {
    const address = `0x${"aB".repeat(20)}`;
    expect(shortAddress(address)).toBe("0xaBaB…aBaB");
    expect(isAddress(address)).toBe(true);
    expect(isAddress(address.slice(0, -1))).toBe(false);
    expect(isAddress("otter")).toBe(false);
  });
});
