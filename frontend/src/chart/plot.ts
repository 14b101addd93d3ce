/** The chart itself: one candlestick pane, one volume pane, kept in step with a series of bars. */

import {
  CandlestickSeries, createChart, CrosshairMode, HistogramSeries, type IChartApi, type ISeriesApi,
  type LogicalRange, type MouseEventParams, type UTCTimestamp,
} from "lightweight-charts";
import type { Bar } from "../state/bars.ts";
import { lengthOf } from "../state/intervals.ts";
import type { Change } from "../state/series.ts";
import type { Ink } from "./ink.ts";
import { isIncomplete } from "./marks.ts";
import { candlePoint, volumePoint } from "./points.ts";
import { readTheme, type Theme } from "./theme.ts";

export interface PlotEvents {
  /** The bar under the crosshair, by its time; null when there is none. */
  onHover(time: number | null): void;
  /** The left edge of what is loaded comes into view. */
  onNearStart(): void;
  /** Whether the newest candle is in view. */
  onEdge(atEdge: boolean): void;
}

export interface PlotOptions {
  readonly interval: string;
  readonly ink: Ink;
  readonly bars: readonly Bar[];
  /** The page scrolls over the chart: wheel and finger are the page's. */
  readonly inScroll?: boolean;
}

/** Ask for older candles this many bars before they are needed. */
const EARLY = 60;
const RIGHT_MARGIN = 6;

export class Plot {
  private readonly theme: Theme;
  private readonly chart: IChartApi;
  private readonly candles: ISeriesApi<"Candlestick">;
  private readonly volumes: ISeriesApi<"Histogram">;
  private bars: readonly Bar[] = [];
  /** The time of the bar that the keyboard has walked to. */
  private cursor: number | null = null;
  private hollowBeforeLast = false;

  constructor(
    private readonly element: HTMLElement,
    private readonly options: PlotOptions,
    private readonly events: PlotEvents,
  ) {
    const theme = readTheme(element);
    this.theme = theme;
    this.chart = createChart(element, chartOptions(theme, options));
    this.candles = this.chart.addSeries(CandlestickSeries, {
      upColor: theme.up, downColor: theme.down, borderUpColor: theme.up, borderDownColor: theme.down,
      wickUpColor: theme.up, wickDownColor: theme.down, priceLineStyle: 1,
      priceFormat: {
        type: "custom",
        minMove: options.ink.minMove,
        formatter: (price: number) => options.ink.tick(price),
      },
    });
    this.volumes = this.chart.addSeries(
      HistogramSeries,
      {
        priceLineVisible: false,
        lastValueVisible: false,
        priceFormat: { type: "custom", minMove: 1e-8, formatter: (size: number) => options.ink.volumeTick(size) },
      },
      1,
    );
    const [prices, volumes] = this.chart.panes();
    prices?.setStretchFactor(4);
    volumes?.setStretchFactor(1);
    this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.14, bottom: 0.08 } });
    this.volumes.priceScale().applyOptions({ scaleMargins: { top: 0.15, bottom: 0 } });
    this.chart.subscribeCrosshairMove(this.onCrosshair);
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(this.onRange);
  }

  /** Draw a change. Only the newest bar is ever updated in place; anything older redraws the whole. */
  draw(change: Change, bars: readonly Bar[]): void {
    const first = this.bars.length === 0;
    this.bars = bars;
    if (change.kind === "none" || bars.length === 0) return;
    const now = Date.now() / 1000;
    const hollow = (bar: Bar): boolean => isIncomplete(bar, this.options.interval, now);
    const beforeLast = bars.at(-2);
    const hollowBeforeLast = beforeLast !== undefined && hollow(beforeLast);
    if (change.kind === "all" || hollowBeforeLast !== this.hollowBeforeLast) {
      this.candles.setData(bars.map((bar) => candlePoint(bar, hollow(bar), this.theme)));
      this.volumes.setData(bars.map((bar) => volumePoint(bar, this.theme)));
    } else {
      for (const bar of bars.slice(change.from)) {
        this.candles.update(candlePoint(bar, hollow(bar), this.theme));
        this.volumes.update(volumePoint(bar, this.theme));
      }
    }
    this.hollowBeforeLast = hollowBeforeLast;
    if (first) this.toEdge();
  }

  /** Move the crosshair by whole bars, beginning at the newest in view; scrolls with it. Answers its bar. */
  moveCursor(by: number): Bar | null {
    const end = this.bars.length - 1;
    if (end < 0) return null;
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const inView = Math.min(end, Math.floor(range?.to ?? end));
    const from = this.cursor === null ? inView + (by < 0 ? 1 : 0) : this.bars.findLastIndex((bar) => bar.time === this.cursor);
    const at = Math.max(0, Math.min(end, from + by));
    const bar = this.bars[at] as Bar;
    if (range && (at < range.from + 1 || at > range.to - 1)) this.pan(at < range.from + 1 ? -10 : 10);
    this.chart.setCrosshairPosition(Number(bar.close), bar.time as UTCTimestamp, this.candles);
    this.cursor = bar.time;
    this.events.onHover(bar.time);
    return bar;
  }

  clearCursor(): void {
    this.cursor = null;
    this.chart.clearCrosshairPosition();
    this.events.onHover(null);
  }

  pan(bars: number): void {
    const scale = this.chart.timeScale();
    scale.scrollToPosition(scale.scrollPosition() + bars, false);
  }

  /** Zoom about the right edge: above 1 is closer. */
  zoom(factor: number): void {
    const scale = this.chart.timeScale();
    scale.applyOptions({ barSpacing: Math.max(1, Math.min(60, scale.options().barSpacing * factor)) });
  }

  /** To the newest candle. */
  toEdge(): void {
    this.chart.timeScale().scrollToPosition(RIGHT_MARGIN, false);
  }

  /** To the oldest candle that is loaded. */
  toStart(): void {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (range) this.chart.timeScale().setVisibleLogicalRange({ from: 0, to: range.to - range.from });
  }

  remove(): void {
    this.chart.remove();
    this.element.replaceChildren();
  }

  private readonly onCrosshair = (event: MouseEventParams): void => {
    // A crosshair that was set by keyboard reports itself too, late; only a pointer ends the walk.
    if (event.sourceEvent) this.cursor = null;
    else if (this.cursor !== null) return;
    const inside = event.time !== undefined && event.point !== undefined;
    this.events.onHover(inside ? (event.time as number) : null);
  };

  private readonly onRange = (range: LogicalRange | null): void => {
    if (!range || this.bars.length === 0) return;
    if (range.from < EARLY) this.events.onNearStart();
    this.events.onEdge(range.to >= this.bars.length - 1);
  };
}

function chartOptions(theme: Theme, { interval, inScroll = false }: PlotOptions): Parameters<typeof createChart>[1] {
  const length = lengthOf(interval);
  return {
    autoSize: true,
    layout: {
      background: { color: theme.surface },
      textColor: theme.muted,
      fontFamily: theme.font,
      fontSize: 11,
      // The notice that the library's licence asks for is in the footer, where it can be read.
      attributionLogo: false,
      panes: { separatorColor: theme.line, separatorHoverColor: theme.raised, enableResize: true },
    },
    grid: { vertLines: { color: theme.line }, horzLines: { color: theme.line } },
    crosshair: {
      mode: CrosshairMode.Normal,
      vertLine: { color: theme.muted, width: 1, style: 3, labelBackgroundColor: theme.raised },
      horzLine: { color: theme.muted, width: 1, style: 3, labelBackgroundColor: theme.raised },
    },
    rightPriceScale: { borderVisible: false, tickMarkDensity: 4 },
    timeScale: {
      borderVisible: false,
      rightOffset: RIGHT_MARGIN,
      barSpacing: 9,
      minBarSpacing: 0.5,
      timeVisible: length < 86_400,
      secondsVisible: length < 60,
    },
    handleScroll: { mouseWheel: !inScroll, vertTouchDrag: !inScroll },
    handleScale: { mouseWheel: !inScroll },
    kineticScroll: { touch: !matchMedia("(prefers-reduced-motion: reduce)").matches, mouse: false },
  };
}
