/** What stands in the chart's place while there is nothing to draw. */

/** Heights in percent: the outline of a market that is still to come. */
const OUTLINE = [38, 46, 41, 52, 60, 55, 49, 58, 66, 72, 64, 57, 61, 70, 78, 73, 65, 59, 52, 47, 54, 62, 68, 63];

export function ChartSkeleton() {
  return (
    <div class="skeleton" role="status" data-testid="loading">
      <span class="sr-only">Loading candles…</span>
      <div class="skeleton-bars" aria-hidden="true">
        {OUTLINE.map((height, index) => <i key={index} style={{ height: `${height / 4}%`, bottom: `${height - 16}%` }} />)}
      </div>
    </div>
  );
}

export function ChartEmpty({ pair }: { pair: string }) {
  return (
    <div class="notice" role="status" data-testid="empty">
      <h2>No trades recorded yet for {pair}</h2>
      <p>The first candle appears here by itself, as soon as a trade arrives.</p>
    </div>
  );
}

export function ChartError({ message, onRetry }: { message: string; onRetry: () => void }) {
  return (
    <div class="notice" role="alert" data-testid="error">
      <h2>Candles could not be loaded</h2>
      <p>{message}</p>
      <button type="button" class="button" onClick={onRetry}>Try again</button>
    </div>
  );
}
