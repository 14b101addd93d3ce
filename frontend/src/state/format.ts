/** Numbers and times as people read them: by locale, digit for digit, UTC. */

const formats = new Map<string, Intl.NumberFormat>();

function formatFor(locale: string | undefined, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(locale, options);
    formats.set(key, format);
  }
  return format;
}

/** A decimal string with grouping: every digit that is there, and at least `digits` after the point. */
export function decimal(text: string, digits = 0, locale?: string): string {
  const format = formatFor(locale, { minimumFractionDigits: Math.min(digits, 20), maximumFractionDigits: 20 });
  return format.format(text as Intl.StringNumericLiteral);
}

/**
 * The same, in two parts: up to `digits` after the point, and what is beyond. A quote has more
 * digits than its market's prices; they are shown, but need not shout.
 */
export function decimalParts(text: string, digits: number, locale?: string): readonly [string, string] {
  const whole = decimal(text, digits, locale);
  const point = formatFor(locale, {}).formatToParts(1.5).find((part) => part.type === "decimal")?.value ?? ".";
  const at = whole.lastIndexOf(point);
  if (at < 0) return [whole, ""];
  const cut = digits === 0 ? at : at + point.length + digits;
  return [whole.slice(0, cut), whole.slice(cut)];
}

/** A number with exactly `digits` after the point, for axes. */
export function fixed(value: number, digits: number, locale?: string): string {
  return formatFor(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/**
 * 1.2K, 3.4M: for axes, where the exact figure is elsewhere.
 *
 * What lies below any venue's smallest size is a rest of the axis's own arithmetic: 0.
 */
export function compact(value: number, locale?: string): string {
  if (Math.abs(value) < 1e-12) return "0";
  return formatFor(locale, { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

/** +1.25 %, with a true minus. Null when there is nothing to compare with. */
export function percentChange(from: string, to: string, locale?: string): string | null {
  const base = Number(from);
  if (base === 0) return null;
  return percent(((Number(to) - base) / base) * 100, locale);
}

/** +1.25%, with a true minus. */
export function percent(value: number, locale?: string): string {
  return formatFor(locale, {
    style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero",
  }).format(value / 100).replace("-", "−");
}

const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC", hourCycle: "h23",
});

/** 14:03:21, UTC. */
export function clockTime(ms: number): string {
  return clock.format(ms);
}

/**
 * A bucket's start as a label: with seconds, minutes or only a date, as its interval needs; with the
 * year unless it is this one. UTC.
 */
export function bucketTime(time: number, length: number, locale?: string, now = Date.now()): string {
  const options: Intl.DateTimeFormatOptions = { timeZone: "UTC", month: "short", day: "numeric" };
  if (new Date(time * 1000).getUTCFullYear() !== new Date(now).getUTCFullYear()) options.year = "numeric";
  if (length < 86_400) Object.assign(options, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (length < 60) Object.assign(options, { second: "2-digit" });
  return new Intl.DateTimeFormat(locale, options).format(time * 1000);
}
