/** A curve of money on a canvas, with lightweight-charts. */

import { AreaSeries, BaselineSeries, createChart, type IChartApi, type ISeriesApi, type UTCTimestamp } from "lightweight-charts";
import { readTheme } from "../chart/theme.ts";
import type { CurvePoint } from "../state/curve.ts";
import { fixed } from "../state/format.ts";

export type CurveKind = "equity" | "pnl";

export class CurvePlot {
  private readonly chart: IChartApi;
  private readonly series: ISeriesApi<"Area"> | ISeriesApi<"Baseline">;

  constructor(element: HTMLElement, kind: CurveKind) {
    const theme = readTheme(element);
    const accent = getComputedStyle(element).getPropertyValue("--accent").trim();
    this.chart = createChart(element, {
      autoSize: true,
      layout: { background: { color: "transparent" }, textColor: theme.muted, fontFamily: theme.font, fontSize: 11, attributionLogo: false },
      grid: { vertLines: { visible: false }, horzLines: { color: theme.line } },
      crosshair: {
        vertLine: { color: theme.muted, width: 1, style: 3, labelBackgroundColor: theme.raised },
        horzLine: { color: theme.muted, width: 1, style: 3, labelBackgroundColor: theme.raised },
      },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.08 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, fixLeftEdge: true, fixRightEdge: true },
      // The page scrolls over it.
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
    });
    const common = {
      lineWidth: 2 as const,
      priceLineVisible: false,
      priceFormat: { type: "custom" as const, minMove: 0.01, formatter: (value: number) => fixed(value, 2).replace("-", "−") },
    };
    this.series =
      kind === "equity"
        ? this.chart.addSeries(AreaSeries, { ...common, lineColor: accent, topColor: `${accent}24`, bottomColor: `${accent}00` })
        : this.chart.addSeries(BaselineSeries, {
            ...common,
            baseValue: { type: "price", price: 0 },
            topLineColor: theme.up, topFillColor1: `${theme.up}30`, topFillColor2: `${theme.up}06`,
            bottomLineColor: theme.down, bottomFillColor1: `${theme.down}06`, bottomFillColor2: `${theme.down}30`,
          });
  }

  draw(points: readonly CurvePoint[]): void {
    this.series.setData(points.map(({ time, value }) => ({ time: time as UTCTimestamp, value })));
    this.chart.timeScale().fitContent();
  }

  remove(): void {
    this.chart.remove();
  }
}
