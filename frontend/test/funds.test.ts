import { describe, expect, it } from "vitest";
import { freeAfter, fundable, fundsAmount, fundsProblem, type FundsValues } from "../src/state/funds.ts";

const put = (amount: string): FundsValues => ({ asset: "USDT", way: "in", amount });
const take = (amount: string): FundsValues => ({ asset: "USDT", way: "out", amount });

describe("what is typed", () => {
  it("is sent digit for digit, negative where it goes out", () => {
    expect(fundsAmount(put(" 1000.500000000000000001 "))).toBe("1000.500000000000000001");
    expect(fundsAmount(take("0.25"))).toBe("-0.25");
    expect([fundsAmount(put(".5")), fundsAmount(take("5."))]).toEqual(["0.5", "-5"]);
  });

  it("is refused before it is sent, with a reason", () => {
    for (const amount of ["", " ", "-5", "1e3", "1.2.3", "1,000.50", "ten", ".", "0", "0.000", "1234567890123456", "1.1234567890123456789"]) {
      expect(fundsProblem(put(amount), "0"), amount).not.toBeNull();
    }
    for (const amount of ["1", "0.000000000000000001", "999999999999999.999999999999999999", "007"]) expect(fundsProblem(put(amount), "0"), amount).toBeNull();
  });

  it("cannot take out more than is free, to the last digit", () => {
    expect(fundsProblem(take("10.000000000000000001"), "10")).toBe("More than is free.");
    expect(fundsProblem(take("10"), "10")).toBeNull();
  });
});

it("what would be free afterwards is exact, and unknown while nothing sensible is typed", () => {
  expect(freeAfter(put("0.1"), "0.2")).toBe("0.3");
  expect(freeAfter(take("0.000000000000000001"), "1")).toBe("0.999999999999999999");
  expect(freeAfter(take("2"), "1")).toBeNull();
});

it("assets begin with the account's own currency and what it has", () => {
  const balances = [{ asset: "SOL", free: "2", locked: "0" }, { asset: "OLD", free: "1", locked: "0" }, { asset: "BTC", free: "0", locked: "0" }];
  expect(fundable("USDT", ["BTC", "ETH", "SOL", "USDT"], balances)).toEqual(["USDT", "SOL", "BTC", "ETH"]);
});
