import type { Parameter, Strategy } from "@openoutcry/client";
import { describe, expect, it } from "vitest";
import { changeOf, choiceOf, draftOf, emptyValues, isReal, labelOf, problemsIn, problemsOf, strategyOf, valuesOf, withStrategy } from "../src/state/botForm.ts";
import { bot } from "./make.ts";

const parameter = (name: string, type: string, change: Partial<Parameter> = {}): Parameter => ({
  name, type, choices: [], required: false, default: null, description: "", ...change,
});
const scalper: Strategy = {
  name: "scalper", summary: "",
  parameters: [
    parameter("quantity", "decimal", { required: true }),
    parameter("buy_price", "decimal", { required: true }),
    parameter("first_order", "choice", { choices: ["BUY", "SELL"], default: "BUY" }),
    parameter("trailing_percent", "decimal"),
    parameter("infinite_loop", "boolean", { default: "false" }),
  ],
};
const dca: Strategy = {
  name: "dca", summary: "",
  parameters: [parameter("quantity", "decimal", { required: true }), parameter("every_minutes", "integer", { default: "60" })],
};

const typed = { ...emptyValues(scalper, "BTCUSDT"), parameters: { quantity: "0.01", buy_price: " 61000.5 ", first_order: "SELL", trailing_percent: "", infinite_loop: "true" } };

describe("what is sent", () => {
  it("keeps amounts as typed, leaves out what was left empty, and turns switches and counts into their types", () => {
    expect(draftOf(typed, scalper, true)).toEqual({
      strategy: "scalper", exchange: "paper", ticker: "BTCUSDT", status: "ACTIVE", leverage: "1",
      parameters: { quantity: "0.01", buy_price: "61000.5", first_order: "SELL", infinite_loop: true },
      limits: { max_order: null, max_position: null, price_band: null },
    });
    const counted = { ...emptyValues(dca, "BTCUSDT"), parameters: { quantity: "1", every_minutes: "30" } };
    expect(draftOf(counted, dca, false).parameters).toEqual({ quantity: "1", every_minutes: 30 });
  });

  it("of an edit is what a bot may change, and a limit that was cleared is none", () => {
    const own = bot(1, { name: "mine", parameters: { quantity: "2", buy_price: "5", trailing_percent: null }, limits: { max_order: "100", max_position: null, price_band: null } });
    const values = valuesOf(own, scalper);
    expect(values).toMatchObject({ name: "mine", parameters: { quantity: "2", trailing_percent: "", first_order: "BUY" }, limits: { max_order: "100" } });
    const change = changeOf({ ...values, limits: { ...values.limits, max_order: "" } }, scalper);
    expect(change.limits).toEqual({ max_order: null, max_position: null, price_band: null });
    expect(Object.keys(change)).not.toContain("ticker");
  });
});

describe("real money", () => {
  const real = { ...typed, exchange: "binance", leverage: "3" };

  it("is sent as meant only after the tick, and is never borrowed", () => {
    expect(problemsOf(real, scalper, true)).toEqual({ understood: "Tick this, or choose paper money." });
    expect(draftOf(real, scalper, true)).toMatchObject({ exchange: "binance", live: false, leverage: "1" });
    const meant = { ...real, understood: true };
    expect(problemsOf(meant, scalper, true)).toEqual({});
    expect(draftOf(meant, scalper, true)).toMatchObject({ exchange: "binance", live: true, leverage: "1" });
  });

  it("is asked for when a bot is made, not when it is edited; paper says nothing of it", () => {
    expect(problemsOf(real, scalper)).toEqual({});
    expect(Object.keys(draftOf({ ...typed, understood: true }, scalper, true))).not.toContain("live");
    expect([isReal(bot(1)), isReal(bot(1, { exchange: "binance" }))]).toEqual([false, true]);
  });
});

describe("what is wrong", () => {
  it("is found by field before the server is asked", () => {
    const values = { ...emptyValues(scalper, ""), leverage: "0", limits: { max_order: "x", max_position: "", price_band: "" } };
    expect(problemsOf({ ...values, parameters: { ...values.parameters, buy_price: "-1" } }, scalper)).toEqual({
      ticker: "Choose a market.", quantity: "Needed.", buy_price: "A number such as 0.01.", leverage: "More than 0.", max_order: "A number such as 0.01.",
    });
    expect(problemsOf(typed, scalper)).toEqual({});
  });

  it("in the server's words goes to the field that a sentence begins with, and the rest stays", () => {
    const message = "sell_price 1 must be above buy_price 2, or every round loses money. quantity 0.5 must be a multiple of 1. The kill switch is on.";
    expect(problemsIn(message, ["quantity", "buy_price", "sell_price"])).toEqual({
      fields: { sell_price: "Sell price 1 must be above buy price 2, or every round loses money.", quantity: "Quantity 0.5 must be a multiple of 1." },
      rest: "The kill switch is on.",
    });
  });
});

it("another strategy keeps what both know", () => {
  expect(withStrategy(typed, dca)).toMatchObject({ strategy: "dca", ticker: "BTCUSDT", parameters: { quantity: "0.01", every_minutes: "60" } });
});

it("names are read as words", () => {
  expect(labelOf("trailing_percent")).toBe("Trailing percent");
});

it("choices are written for people, and a month is not a minute", () => {
  expect(["BUY", "1m", "1M"].map(choiceOf)).toEqual(["Buy", "1m", "1M"]);
  expect(["dca", "grid"].map(strategyOf)).toEqual(["DCA", "Grid"]);
});
