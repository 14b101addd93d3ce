/** Bars as the chart library takes them. Drawing is the one place where prices become floats. */

import type { CandlestickData, HistogramData, UTCTimestamp } from "lightweight-charts";
import type { Bar } from "../state/bars.ts";
import type { Theme } from "./theme.ts";

export function candlePoint(bar: Bar, hollow: boolean, theme: Theme): CandlestickData<UTCTimestamp> {
  const point = {
    time: bar.time as UTCTimestamp,
    open: Number(bar.open),
    high: Number(bar.high),
    low: Number(bar.low),
    close: Number(bar.close),
  };
  // An incomplete candle keeps its outline and loses its body.
  return hollow ? { ...point, color: theme.surface } : point;
}

export function volumePoint(bar: Bar, theme: Theme): HistogramData<UTCTimestamp> {
  const rose = Number(bar.close) >= Number(bar.open);
  return { time: bar.time as UTCTimestamp, value: Number(bar.volume), color: rose ? theme.upSoft : theme.downSoft };
}
