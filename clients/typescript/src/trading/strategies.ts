/** What a strategy wants to know before it can trade: enough to build a form of it. */

export type ParameterKind = "decimal" | "integer" | "boolean" | "choice" | "text";

export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly description: string;
  readonly required: boolean;
  /** What counts when it is left out; null for nothing. */
  readonly default: string | number | boolean | null;
  /** Of a `choice`. */
  readonly choices?: readonly string[];
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
  const { name, kind, description, required } = data as Record<string, unknown>;
  return typeof name === "string" && typeof kind === "string" && typeof description === "string" && typeof required === "boolean";
}
