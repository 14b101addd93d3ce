/** The chart and everything that can stand in its place: loading, empty, failed. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { chartKeys } from "./keys.ts";
import { Legend } from "./Legend.tsx";
import { Plot } from "./plot.ts";
import { ChartEmpty, ChartError, ChartSkeleton } from "./states.tsx";
import { Summary } from "./Summary.tsx";
import type { Bar } from "../state/bars.ts";
import { coalesce } from "../state/coalesce.ts";
import { type MarketSymbol, pairOf } from "../state/config.ts";
import type { CandleFeed } from "../state/candles.ts";
import { bucketTime, decimal } from "../state/format.ts";
import { inWords, lengthOf } from "../state/intervals.ts";

interface Props {
  readonly feed: CandleFeed;
  readonly market: MarketSymbol;
}

export function ChartPanel({ feed, market }: Props) {
  const phase = feed.phase.value;
  return (
    <section class="chart" aria-label="Chart" aria-busy={phase.kind === "loading"} data-phase={phase.kind} data-testid="chart">
      {phase.kind === "loading" && <ChartSkeleton />}
      {phase.kind === "empty" && <ChartEmpty pair={pairOf(market)} />}
      {phase.kind === "error" && <ChartError message={phase.message} onRetry={() => void feed.load()} />}
      {phase.kind === "ready" && <LiveChart feed={feed} market={market} />}
    </section>
  );
}

function LiveChart({ feed, market }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const hovered = useSignal<number | null>(null);
  const atEdge = useSignal(true);
  const spoken = useSignal("");
  const { interval } = feed;

  useEffect(() => {
    if (!holder.current) return;
    const { priceScale } = market;
    const drawn = new Plot(holder.current, { interval, priceScale, bars: feed.series.bars }, {
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
  }, [feed]);

  const speak = (bar: Bar): void => {
    spoken.value = describeBar(bar, market, interval);
  };

  return (
    <>
      <CurrentLegend feed={feed} market={market} hovered={hovered.value} />
      <div
        class="plot"
        ref={holder}
        tabIndex={0}
        role="group"
        aria-roledescription="candlestick chart"
        aria-label={`${pairOf(market)}, ${inWords(interval)} a candle`}
        aria-describedby="chart-summary"
        onKeyDown={(event) => chartKeys(event, plot.current, speak)}
        onBlur={() => plot.current?.clearCursor()}
      />
      <History feed={feed} />
      {!atEdge.value && (
        <button type="button" class="to-edge" onClick={() => plot.current?.toEdge()}>Latest <span aria-hidden="true">→</span></button>
      )}
      <p class="sr-only" aria-live="polite">{spoken}</p>
      <SlowSummary feed={feed} market={market} />
    </>
  );
}

function CurrentLegend({ feed, market, hovered }: Props & { hovered: number | null }) {
  void feed.revision.value;
  const bar = (hovered === null ? null : feed.series.at(hovered)) ?? feed.series.bars.at(-1) ?? null;
  return <Legend bar={bar} market={market} interval={feed.interval} />;
}

/** The text alternative follows every two seconds: often enough to read, seldom enough to be cheap. */
function SlowSummary({ feed, market }: Props) {
  const bars = useSignal<readonly Bar[]>([...feed.series.bars]);
  const refresh = useRef(coalesce(2_000, () => void (bars.value = [...feed.series.bars])));
  useSignalEffect(() => {
    void feed.revision.value;
    refresh.current();
  });
  useEffect(() => () => refresh.current.cancel(), []);
  return <Summary id="chart-summary" bars={bars.value} market={market} interval={feed.interval} />;
}

function History({ feed }: { feed: CandleFeed }) {
  const older = feed.older.value;
  if (older === "loading") return <p class="history" role="status">Loading older candles…</p>;
  if (older !== "error") return null;
  return (
    <p class="history" role="alert">
      Older candles could not be loaded. <button type="button" onClick={() => void feed.loadOlder()}>Try again</button>
    </p>
  );
}

function describeBar(bar: Bar, market: MarketSymbol, interval: string): string {
  const price = (text: string): string => decimal(text, market.priceScale);
  return (
    `${bucketTime(bar.time, lengthOf(interval))}: open ${price(bar.open)}, high ${price(bar.high)}, ` +
    `low ${price(bar.low)}, close ${price(bar.close)}, volume ${decimal(bar.volume, market.sizeScale)}`
  );
}
