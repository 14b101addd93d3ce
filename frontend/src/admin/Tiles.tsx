/** The figures that tell at a glance how the aggregator is. */

import type { PriceCacheStats } from "@openoutcry/client";
import type { ComponentChildren } from "preact";
import { inAge } from "../state/freshness.ts";
import type { Tone } from "../state/pill.ts";

type Source = readonly [label: string, tone: Tone, note: string];

const SOURCES: Record<string, Source> = {
  stream: ["Stream", "good", "The exchange pushes prices: no calls are needed."],
  rest: ["REST", "wait", "The stream is silent: prices are asked for."],
  none: ["None", "bad", "No price has come yet."],
};
const BREAKERS: Record<string, Source> = {
  closed: ["Closed", "good", "Calls upstream go through."],
  halfOpen: ["Half open", "wait", "One call may try whether upstream is back."],
  open: ["Open", "bad", "Upstream failed too often and is left alone for now."],
};

export function Tiles({ stats }: { readonly stats: PriceCacheStats }) {
  const source = SOURCES[stats.source] ?? [stats.source, "wait", ""];
  const breaker = BREAKERS[stats.breaker] ?? [stats.breaker, "wait", ""];
  const share = stats.weightLimit > 0 ? stats.usedWeight / stats.weightLimit : 0;
  const blocked = stats.weightBlockedSeconds ?? 0;
  const age = stats.entries[0]?.age;
  return (
    <>
      <dl class="tiles" data-testid="tiles">
        <Tile name="Source" id="source" tone={source[1]} value={source[0]} note={[source[2], ...switched(stats)].join(" ")} />
        <Tile name="Breaker" id="breaker" tone={breaker[1]} value={breaker[0]} note={breaker[2]} />
        <Tile name="Snapshot age" id="age" value={age ?? "—"} note={stats.activeFetches > 0 ? `${count(stats.activeFetches, "fetch", "fetches")} under way` : "No fetch under way"} />
        <Tile name="Upstream calls" id="upstream" value={stats.upstreamCallsLastMinute.toLocaleString()} note="In the last minute, all processes" />
        <Tile
          name="Weight budget"
          id="weight"
          value={stats.usedWeight.toLocaleString()}
          note={blocked > 0 ? `Upstream asked for a pause: ${Math.ceil(blocked)} s left` : `Of ${stats.weightLimit.toLocaleString()} a minute`}
          {...(blocked > 0 && { tone: "bad" as const })}
        >
          <meter class="budget" min={0} max={Math.max(1, stats.weightLimit)} value={stats.usedWeight} data-tone={share > 0.9 ? "bad" : share > 0.7 ? "wait" : "good"} aria-label="Used weight" />
        </Tile>
        <Tile name="Hits" id="hits" value={stats.hits.toLocaleString()} note="Answered out of the cache, by one process" />
        <Tile name="Served stale" id="stale" value={stats.staleServed.toLocaleString()} note="Answers that had to be old, of one process" {...(stats.staleServed > 0 && { tone: "wait" as const })} />
        <Tile name="Cached" id="cached" value={stats.cacheSize.toLocaleString()} note={stats.cacheSize === 1 ? "Entry" : "Entries"} />
      </dl>
      {stats.lastError && (
        <p class="last-error" data-testid="last-error"><b>Last error</b> {stats.lastError}</p>
      )}
    </>
  );
}

function switched({ switches, streamAge }: PriceCacheStats): readonly string[] {
  const heard = streamAge === undefined || streamAge === null ? [] : [`Stream heard ${inAge(streamAge * 1000)} ago.`];
  return switches ? [...heard, `Changed ${count(switches, "time", "times")}.`] : heard;
}

interface TileProps {
  readonly name: string;
  readonly id: string;
  readonly value: string;
  readonly note: string;
  readonly tone?: Tone;
  readonly children?: ComponentChildren;
}

function Tile({ name, id, value, note, tone, children }: TileProps) {
  return (
    <div class="tile" data-tone={tone}>
      <dt>{name}</dt>
      <dd class="tile-value" data-testid={`tile-${id}`}>{tone && <i aria-hidden="true" />}{value}</dd>
      <dd class="tile-note">{note}</dd>
      {children && <dd>{children}</dd>}
    </div>
  );
}

export function count(n: number, one: string, many: string): string {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`;
}
