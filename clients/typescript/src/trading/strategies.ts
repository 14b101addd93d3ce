/** What a strategy wants to know before it can trade: enough to build a form of it. */

/** A newer server may know more. */
export type ParameterType = "decimal" | "integer" | "boolean" | "choice" | "text" | (string & {});

export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  /** Of a `choice`. */
  readonly choices: readonly string[];
  /** It must be given. */
  readonly required: boolean;
  /** What counts when it is left out, as it would be typed; null for nothing. */
  readonly default: string | null;
  readonly description: string;
}

export interface Strategy {
  readonly name: string;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
}

export function isStrategy(data: unknown): data is Strategy {
  if (typeof data !== "object" || data === null) return false;
  const { name, summary, parameters } = data as Record<string, unknown>;
  return typeof name === "string" && typeof summary === "string" && Array.isArray(parameters) && parameters.every(isParameter);
}

function isParameter(data: unknown): data is Parameter {
  if (typeof data !== "object" || data === null) return false;
  const { name, type, choices, description, required } = data as Record<string, unknown>;
  return [name, type, description].every((text) => typeof text === "string") && typeof required === "boolean" && Array.isArray(choices);
}
