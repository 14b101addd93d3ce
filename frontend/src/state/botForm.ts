/** The form of a bot: what is typed, what is wrong with it, and what is sent. Pure. */

import type { Bot, BotChange, BotDraft, Parameter, Strategy } from "@openoutcry/client";

/** As typed. `parameters` and `limits` by name; a switch is "true" or "false". */
export interface BotValues {
  readonly name: string;
  readonly strategy: string;
  readonly ticker: string;
  /** `paper`, or an exchange: then it trades with real money. */
  readonly exchange: string;
  /** Real money is meant: ticked, by hand, each time. */
  readonly understood: boolean;
  readonly leverage: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<LimitName, string>>;
}

/** By field: `name`, `ticker`, `understood`, `leverage`, a parameter's or a limit's name. */
export type Problems = Readonly<Record<string, string>>;

export const PAPER = "paper";

export const LIMITS = ["max_order", "max_position", "price_band"] as const;
export type LimitName = (typeof LIMITS)[number];

const NO_LIMITS: Readonly<Record<LimitName, string>> = { max_order: "", max_position: "", price_band: "" };

export function emptyValues(strategy: Strategy, ticker: string): BotValues {
  return { name: "", strategy: strategy.name, ticker, exchange: PAPER, understood: false, leverage: "1", parameters: defaultsOf(strategy), limits: NO_LIMITS };
}

export function valuesOf(bot: Bot, strategy: Strategy): BotValues {
  const parameters = { ...defaultsOf(strategy) };
  for (const { name } of strategy.parameters) {
    const value = bot.parameters[name];
    if (value !== undefined) parameters[name] = value === null ? "" : String(value);
  }
  const limits = Object.fromEntries(LIMITS.map((name) => [name, bot.limits[name] ?? ""])) as Record<LimitName, string>;
  return { name: bot.name, strategy: bot.strategy, ticker: bot.ticker, exchange: bot.exchange, understood: false, leverage: bot.leverage, parameters, limits };
}

/** The values for another strategy: what both know stays. */
export function withStrategy(values: BotValues, strategy: Strategy): BotValues {
  const parameters = defaultsOf(strategy);
  for (const name of Object.keys(parameters)) {
    const typed = values.parameters[name];
    if (typed !== undefined && typed !== "") parameters[name] = typed;
  }
  return { ...values, strategy: strategy.name, parameters };
}

/** What can be seen to be wrong without asking the server. */
export function problemsOf(values: BotValues, strategy: Strategy, isNew = false): Problems {
  const found: Record<string, string> = {};
  const number = (name: string, text: string, needed: boolean): void => {
    const typed = text.trim();
    if (typed === "" && needed) found[name] = "Needed.";
    else if (typed !== "" && !isAmount(typed)) found[name] = "A number such as 0.01.";
    else if (typed !== "" && Number(typed) <= 0) found[name] = "More than 0.";
  };
  if (values.ticker === "") found.ticker = "Choose a market.";
  if (isNew && values.exchange !== PAPER && !values.understood) found.understood = "Tick this, or choose paper money.";
  if (values.name.trim().length > 64) found.name = "At most 64 characters.";
  for (const parameter of strategy.parameters) {
    const text = values.parameters[parameter.name] ?? "";
    if (parameter.type === "decimal") number(parameter.name, text, parameter.required);
    else if (parameter.type === "integer" && text.trim() !== "" && !/^\d{1,9}$/.test(text.trim())) found[parameter.name] = "A whole number.";
    else if (parameter.required && text.trim() === "") found[parameter.name] = "Needed.";
  }
  number("leverage", values.leverage, true);
  for (const name of LIMITS) number(name, values.limits[name], false);
  return found;
}

export function draftOf(values: BotValues, strategy: Strategy, start: boolean): BotDraft {
  return {
    ...(values.name.trim() !== "" && { name: values.name.trim() }),
    strategy: values.strategy,
    exchange: values.exchange,
    ...(values.exchange !== PAPER && { live: values.understood }),
    ticker: values.ticker,
    status: start ? "ACTIVE" : "STOPPED",
    ...settingsOf(values, strategy),
  };
}

/** For an edit, which describes parameters and limits anew. */
export function changeOf(values: BotValues, strategy: Strategy): BotChange & Required<Pick<BotChange, "parameters">> {
  return { ...(values.name.trim() !== "" && { name: values.name.trim() }), ...settingsOf(values, strategy) };
}

function settingsOf(values: BotValues, strategy: Strategy) {
  const parameters: Record<string, string | number | boolean> = {};
  for (const parameter of strategy.parameters) {
    const typed = (values.parameters[parameter.name] ?? "").trim();
    if (typed !== "") parameters[parameter.name] = parsed(parameter, typed);
  }
  const limits = Object.fromEntries(LIMITS.map((name) => [name, values.limits[name].trim() || null]));
  // Real money is never borrowed, whatever was typed before it was chosen.
  return { parameters, limits, leverage: values.exchange === PAPER ? values.leverage.trim() || "1" : "1" };
}

function parsed({ type }: Parameter, typed: string): string | number | boolean {
  if (type === "boolean") return typed === "true";
  return type === "integer" ? Number(typed) : typed;
}

/**
 * The server's sentences, each to the field that it begins with: `buy_price 0 must be above 0.` What
 * belongs to no field is the rest.
 */
export function problemsIn(message: string, fields: readonly string[]): { readonly fields: Problems; readonly rest: string } {
  const found: Record<string, string> = {};
  const rest: string[] = [];
  for (const sentence of message.split(/(?<=[.!?]) (?=\S)/)) {
    const field = fields.find((name) => new RegExp(`^${name}\\b`).test(sentence));
    if (field === undefined) rest.push(sentence);
    else found[field] = [found[field], plain(sentence, fields)].filter(Boolean).join(" ");
  }
  return { fields: found, rest: rest.join(" ") };
}

/** `trailing_percent` as people read it: `Trailing percent`. */
export function labelOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** `BUY` as people read it: `Buy`; `1M`, a month, is not `1m`. */
export function choiceOf(choice: string): string {
  return /\d/.test(choice) ? choice : labelOf(choice.toLowerCase());
}

/** A strategy's name as people write it. */
export function strategyOf(name: string): string {
  return name === "dca" ? "DCA" : labelOf(name);
}

function plain(sentence: string, fields: readonly string[]): string {
  return fields.reduce((text, name) => text.replace(new RegExp(`\\b${name}\\b`, "g"), name.replaceAll("_", " ")), sentence).replace(/^./, (first) => first.toUpperCase());
}

function defaultsOf(strategy: Strategy): Record<string, string> {
  return Object.fromEntries(strategy.parameters.map((parameter) => [parameter.name, parameter.default ?? (parameter.type === "boolean" ? "false" : "")]));
}

/** Whether a bot trades with real money. */
export function isReal({ exchange }: Pick<Bot, "exchange">): boolean {
  return exchange !== PAPER;
}

function isAmount(text: string): boolean {
  return /^\d*\.?\d*$/.test(text) && /\d/.test(text);
}
