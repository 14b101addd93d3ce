/** Amounts of ether and of tokens as people read them: few digits, however small or large. The exact ones are in titles. */

import { compact, decimal } from "./format.ts";

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
/** So many zeros after the point are written out; more are counted. */
const MOST_ZEROS = 3;

/** A price in the parts that it is drawn of: zeros after the point that nobody could count are counted in `zeros`. */
export interface PriceParts {
  readonly head: string;
  /** 0: none are left out. */
  readonly zeros: number;
  readonly tail: string;
}

/** A price of any size in `digits` digits, so that prices stand under one another. */
export function priceParts(value: string | number, digits = 5, locale?: string): PriceParts {
  const price = Number(value);
  if (price === 0 || !Number.isFinite(price)) return { head: "0", zeros: 0, tail: "" };
  if (Math.abs(price) >= 100_000) return { head: compact(price, locale), zeros: 0, tail: "" };
  const [mantissa = "", exponent = "0"] = price.toExponential(digits - 1).split("e");
  const zeros = -Number(exponent) - 1;
  if (zeros <= MOST_ZEROS) {
    const options = { minimumSignificantDigits: digits, maximumSignificantDigits: digits };
    return { head: new Intl.NumberFormat(locale, options).format(price), zeros: 0, tail: "" };
  }
  return { head: `${price < 0 ? "−" : ""}0${point(locale)}0`, zeros, tail: mantissa.replace(/[-.]/g, "") };
}

/** The same as text: 0.0₈30140 has eight zeros after the point. */
export function priceText(value: string | number, digits = 5, locale?: string): string {
  const { head, zeros, tail } = priceParts(value, digits, locale);
  return zeros === 0 ? head : `${head}${subscript(zeros)}${tail}`;
}

/** How a price is said aloud: a subscript would be read as a number of its own. */
export function priceWords(value: string | number, locale?: string): string {
  return new Intl.NumberFormat(locale, { maximumSignificantDigits: 5 }).format(Number(value));
}

/** An amount of ether or of tokens: 12.3K, 42.12, 0.0042, 0.0₅12. */
export function amountText(value: string | number, locale?: string): string {
  const amount = Number(value);
  if (amount === 0 || !Number.isFinite(amount)) return "0";
  const size = Math.abs(amount);
  if (size >= 10_000) return compact(amount, locale);
  if (size >= 1) return new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(amount);
  if (size >= 0.001) return new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 }).format(amount);
  return priceText(amount, 2, locale);
}

/** So many digits after the point a browser groups for us. */
const GROUPED = 20;

/** Every digit, for titles. */
export function exactly(value: string, unit: string, locale?: string): string {
  if ((value.split(".")[1]?.length ?? 0) > GROUPED) return `${value} ${unit}`;
  return `${decimal(value, 0, locale)} ${unit}`;
}

/** 12.34%, and less than a hundredth of one as such. */
export function shareText(percent: number, locale?: string): string {
  if (percent > 0 && percent < 0.01) return `<${new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 2 }).format(0.0001)}`;
  return new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: percent < 100 ? 2 : 0, maximumFractionDigits: 2 }).format(percent / 100);
}

/** `0x1234…abcd`. */
export function shortAddress(address: string): string {
  return address.length > 14 ? `${address.slice(0, 6)}…${address.slice(-4)}` : address;
}

/** Whether somebody has typed or pasted a whole address. */
export function isAddress(text: string): boolean {
  return /^0x[0-9a-f]{40}$/i.test(text);
}

function subscript(count: number): string {
  return [...String(count)].map((digit) => SUBSCRIPTS[Number(digit)]).join("");
}

function point(locale?: string): string {
  return new Intl.NumberFormat(locale).formatToParts(1.5).find(({ type }) => type === "decimal")?.value ?? ".";
}
