/** Narrow a list to one bot. */

import { ChipSelect } from "./Chip.tsx";
import type { Desk } from "../state/desk.ts";

interface Props {
  readonly desk: Desk;
  /** A bot's id as text, "" for all. */
  readonly value: string;
  onChange(value: string): void;
}

export function BotSelect({ desk, value, onChange }: Props) {
  const bots = [...desk.trading.state.value.bots.values()].sort((a, b) => b.id - a.id);
  const options: (readonly [string, string])[] = [["", "All bots"], ...bots.map(({ id, name }) => [String(id), name] as const)];
  // A deleted bot's orders and log stay readable.
  if (value !== "" && !bots.some(({ id }) => String(id) === value)) options.push([value, `Bot ${value}`]);
  return <ChipSelect label="Bot" value={value} options={options} onChange={onChange} />;
}

export function botName(desk: Desk, id: number | null): string {
  if (id === null) return "";
  return desk.trading.state.value.bots.get(id)?.name ?? `Bot ${id}`;
}
