/** The chart in words and as a table, for those who cannot see it. */

import type { Ink } from "./ink.ts";
import { isIncomplete } from "./marks.ts";
import type { Bar } from "../state/bars.ts";
import { bucketTime } from "../state/format.ts";
import { inWords, lengthOf } from "../state/intervals.ts";

interface Props {
  readonly id: string;
  readonly bars: readonly Bar[];
  readonly ink: Ink;
  readonly interval: string;
}

const ROWS = 10;

export function Summary({ id, bars, ink, interval }: Props) {
  const newest = bars.slice(-ROWS).reverse();
  const now = Date.now() / 1000;
  const { price } = ink;
  return (
    <div class="sr-only" data-testid="summary">
      <p id={id}>{sentence(bars, ink, interval)}</p>
      <table>
        <caption>The newest {newest.length} candles of {ink.name}, times in UTC</caption>
        <thead>
          <tr>{["Time", "Open", "High", "Low", "Close", "Volume", "State"].map((head) => <th key={head} scope="col">{head}</th>)}</tr>
        </thead>
        <tbody>
          {newest.map((bar) => (
            <tr key={bar.time}>
              <th scope="row">{bucketTime(bar.time, lengthOf(interval))}</th>
              <td>{price(bar.open)}</td><td>{price(bar.high)}</td><td>{price(bar.low)}</td><td>{price(bar.close)}</td>
              <td>{ink.volume(bar.volume)}</td>
              <td>{bar.complete ? "complete" : isIncomplete(bar, interval, now) ? "incomplete" : "forming"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function sentence(bars: readonly Bar[], ink: Ink, interval: string): string {
  const first = bars[0];
  const last = bars.at(-1);
  if (!first || !last) return `No candles of ${ink.name} yet.`;
  const when = (bar: Bar): string => bucketTime(bar.time, lengthOf(interval));
  const { price } = ink;
  return (
    `Candlestick chart of ${ink.name} with volume, ${inWords(interval)} a candle, ` +
    `${bars.length} candles from ${when(first)} to ${when(last)} UTC. ` +
    `The newest opened at ${price(last.open)}, reached ${price(last.high)} and ${price(last.low)}, and is at ${price(last.close)}.`
  );
}
