/** Exact arithmetic on decimal strings: money is never a float here. */

interface Exact {
  readonly units: bigint;
  /** Digits after the point. */
  readonly scale: number;
}

const FORM = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;

/** Whether a value is the text of a number, such as `"61837.63"`. */
export function isDecimal(value: unknown): value is string {
  return typeof value === "string" && value.length < 200 && /\d/.test(value) && FORM.test(value);
}

export function add(a: string, b: string): string {
  const [left, right, scale] = aligned(a, b);
  return write({ units: left + right, scale });
}

export function subtract(a: string, b: string): string {
  const [left, right, scale] = aligned(a, b);
  return write({ units: left - right, scale });
}

export function multiply(a: string, b: string): string {
  const left = read(a);
  const right = read(b);
  return write({ units: left.units * right.units, scale: left.scale + right.scale });
}

export function sum(values: Iterable<string>): string {
  let total = "0";
  for (const value of values) total = add(total, value);
  return total;
}

/** Below, at or above 0, as -1, 0 or 1. */
export function compare(a: string, b: string): -1 | 0 | 1 {
  const [left, right] = aligned(a, b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The sign of a number, as -1, 0 or 1. */
export function sign(value: string): -1 | 0 | 1 {
  return compare(value, "0");
}

/** The same number with at most `digits` after the point; what is cut off rounds half away from 0. */
export function rounded(value: string, digits: number): string {
  const { units, scale } = read(value);
  if (scale <= digits) return write({ units, scale });
  const step = 10n ** BigInt(scale - digits);
  const half = units < 0n ? -step / 2n : step / 2n;
  return write({ units: (units + half) / step, scale: digits });
}

function aligned(a: string, b: string): readonly [bigint, bigint, number] {
  const left = read(a);
  const right = read(b);
  const scale = Math.max(left.scale, right.scale);
  return [left.units * 10n ** BigInt(scale - left.scale), right.units * 10n ** BigInt(scale - right.scale), scale];
}

/** Throws `RangeError` for what is not a number. */
function read(text: string): Exact {
  const parts = FORM.exec(text);
  if (!parts || !isDecimal(text)) throw new RangeError(`${text} is not a decimal number.`);
  const [, minus, whole = "", fraction = "", exponent = "0"] = parts;
  const units = BigInt(`${whole}${fraction}`) * (minus === "-" ? -1n : 1n);
  const scale = fraction.length - Number(exponent);
  return scale < 0 ? { units: units * 10n ** BigInt(-scale), scale: 0 } : { units, scale };
}

function write({ units, scale }: Exact): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, "");
  return `${units < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}
