/** The chart and everything that can stand in its place: loading, empty, failed. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Ink } from "./ink.ts";
import { chartKeys } from "./keys.ts";
import { Legend } from "./Legend.tsx";
import { Plot } from "./plot.ts";
import { useScheme } from "./scheme.ts";
import { ChartEmpty, ChartError, ChartSkeleton } from "./states.tsx";
import { Summary } from "./Summary.tsx";
import type { BarFeed } from "../state/barFeed.ts";
import type { Bar } from "../state/bars.ts";
import { coalesce } from "../state/coalesce.ts";
import { bucketTime } from "../state/format.ts";
import { inWords, lengthOf } from "../state/intervals.ts";

interface Props {
  readonly feed: BarFeed;
  readonly ink: Ink;
  /** The page scrolls over the chart. */
  readonly inScroll?: boolean;
}

export function ChartPanel({ feed, ink, inScroll = false }: Props) {
  const phase = feed.phase.value;
  return (
    <section class="chart" aria-label="Chart" aria-busy={phase.kind === "loading"} data-phase={phase.kind} data-testid="chart">
      {phase.kind === "loading" && <ChartSkeleton />}
      {phase.kind === "empty" && <ChartEmpty pair={ink.name} />}
      {phase.kind === "error" && <ChartError message={phase.message} onRetry={() => void feed.load()} />}
      {phase.kind === "ready" && <LiveChart feed={feed} ink={ink} inScroll={inScroll} />}
    </section>
  );
}

function LiveChart({ feed, ink, inScroll = false }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const hovered = useSignal<number | null>(null);
  const atEdge = useSignal(true);
  const spoken = useSignal("");
  const { interval } = feed;
  const scheme = useScheme();

  useEffect(() => {
    if (!holder.current) return;
    const drawn = new Plot(holder.current, { interval, ink, bars: feed.series.bars, inScroll }, {
      onHover: (time) => void (hovered.value = time),
      onNearStart: () => void feed.loadOlder(),
      onEdge: (edge) => void (atEdge.value = edge),
    });
    plot.current = drawn;
    const unfollow = feed.follow((change) => drawn.draw(change, feed.series.bars));
    return () => {
      unfollow();
      drawn.remove();
      plot.current = null;
    };
  }, [feed, scheme]);

  const speak = (bar: Bar): void => {
    spoken.value = describeBar(bar, ink, interval);
  };

  return (
    <>
      <CurrentLegend feed={feed} ink={ink} hovered={hovered.value} />
      <div
        class="plot"
        ref={holder}
        tabIndex={0}
        role="group"
        aria-roledescription="candlestick chart"
        aria-label={`${ink.name}, ${inWords(interval)} a candle`}
        aria-describedby="chart-summary"
        onKeyDown={(event) => chartKeys(event, plot.current, speak)}
        onBlur={() => plot.current?.clearCursor()}
      />
      <History feed={feed} />
      {!atEdge.value && (
        <button type="button" class="to-edge" onClick={() => plot.current?.toEdge()}>Latest <span aria-hidden="true">→</span></button>
      )}
      <p class="sr-only" aria-live="polite">{spoken}</p>
      <SlowSummary feed={feed} ink={ink} />
    </>
  );
}

function CurrentLegend({ feed, ink, hovered }: Props & { hovered: number | null }) {
  void feed.revision.value;
  const bar = (hovered === null ? null : feed.series.at(hovered)) ?? feed.series.bars.at(-1) ?? null;
  return <Legend bar={bar} ink={ink} interval={feed.interval} />;
}

/** The text alternative follows every two seconds: often enough to read, seldom enough to be cheap. */
function SlowSummary({ feed, ink }: Props) {
  const bars = useSignal<readonly Bar[]>([...feed.series.bars]);
  const refresh = useRef(coalesce(2_000, () => void (bars.value = [...feed.series.bars])));
  useSignalEffect(() => {
    void feed.revision.value;
    refresh.current();
  });
  useEffect(() => () => refresh.current.cancel(), []);
  return <Summary id="chart-summary" bars={bars.value} ink={ink} interval={feed.interval} />;
}

function History({ feed }: { feed: BarFeed }) {
  const older = feed.older.value;
  if (older === "loading") return <p class="history" role="status">Loading older candles…</p>;
  if (older !== "error") return null;
  return (
    <p class="history" role="alert">
      Older candles could not be loaded. <button type="button" onClick={() => void feed.loadOlder()}>Try again</button>
    </p>
  );
}

function describeBar(bar: Bar, ink: Ink, interval: string): string {
  const { price } = ink;
  return (
    `${bucketTime(bar.time, lengthOf(interval))}: open ${price(bar.open)}, high ${price(bar.high)}, ` +
    `low ${price(bar.low)}, close ${price(bar.close)}, volume ${ink.volume(bar.volume)}`
  );
}
