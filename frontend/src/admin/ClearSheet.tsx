/** Asks before the cache is emptied, and tells what was in it. */

import { ApiError, type Cleared, type PriceCacheStats } from "@openoutcry/client";
import { useState } from "preact/hooks";
import { count } from "./Tiles.tsx";
import { Sheet } from "../app/Sheet.tsx";

interface Props {
  readonly stats: PriceCacheStats;
  onClear(): Promise<Cleared>;
  onCleared(words: string): void;
  onClose(): void;
}

export function ClearSheet({ stats, onClear, onCleared, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const clear = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      onCleared(inWords(await onClear()));
      onClose();
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : "Something unexpected went wrong.");
      setBusy(false);
    }
  };
  return (
    <Sheet label="Clear the cache" title="Clear the cache?" onClose={onClose}>
      <div class="form">
        <p class="form-note">
          {stats.entries.length === 0
            ? "It holds nothing at the moment."
            : `${count(stats.entries.length, "entry goes", "entries go")}: ${stats.entries.map(({ key }) => key).join(", ")}.`}
          {" "}The next reader waits for new prices.
        </p>
        {problem && <p class="form-problem" role="alert">{problem}</p>}
        <div class="form-row">
          <button type="button" class="button quiet" onClick={onClose} autofocus>Keep it</button>
          <button type="button" class="button" disabled={busy} onClick={() => void clear()}>{busy ? "Clearing…" : "Clear"}</button>
        </div>
      </div>
    </Sheet>
  );
}

function inWords({ entries }: Cleared): string {
  if (entries.length === 0) return "The cache was empty already.";
  const what = entries.map(({ key, symbolCount }) => `${key} (${count(symbolCount, "symbol", "symbols")})`);
  return `Cleared ${count(entries.length, "entry", "entries")}: ${what.join(", ")}.`;
}
