/** Open, high, low, close and volume of the candle under the crosshair, or of the newest. */

import type { Ink } from "./ink.ts";
import { isIncomplete } from "./marks.ts";
import type { Bar } from "../state/bars.ts";
import { bucketTime, percentChange } from "../state/format.ts";
import { lengthOf, move } from "../state/intervals.ts";

interface Props {
  readonly bar: Bar | null;
  readonly ink: Ink;
  readonly interval: string;
}

export function Legend({ bar, ink, interval }: Props) {
  if (!bar) return <div class="legend" />;
  const change = percentChange(bar.open, bar.close);
  const tone = Number(bar.close) >= Number(bar.open) ? "up" : "down";
  const price = (text: string) => <b class={tone}>{ink.price(text)}</b>;
  return (
    <dl class="legend" data-testid="legend">
      <div class="legend-time"><dt>Time</dt><dd>{bucketTime(bar.time, lengthOf(interval))}</dd></div>
      <div><dt title="Open">O</dt><dd data-testid="open">{price(bar.open)}</dd></div>
      <div><dt title="High">H</dt><dd data-testid="high">{price(bar.high)}</dd></div>
      <div><dt title="Low">L</dt><dd data-testid="low">{price(bar.low)}</dd></div>
      <div><dt title="Close">C</dt><dd data-testid="close">{price(bar.close)}</dd></div>
      {change && <div><dt class="sr-only">Change</dt><dd><b class={tone}>{change}</b></dd></div>}
      <div><dt title={`Volume in ${ink.unit}`}>V</dt><dd data-testid="volume"><b>{ink.volume(bar.volume)}</b></dd></div>
      <BucketTag bar={bar} interval={interval} />
    </dl>
  );
}

/** Says that a bucket is still open, or that something may be missing in it. */
function BucketTag({ bar, interval }: { bar: Bar; interval: string }) {
  const now = Date.now() / 1000;
  if (isIncomplete(bar, interval, now)) {
    return (
      <div class="tag tag-warn" title="The bucket is over, but some of its trades may be missing. It is corrected when they arrive.">
        <dt class="sr-only">State</dt><dd>Incomplete</dd>
      </div>
    );
  }
  const open = !bar.complete && now < move(interval, bar.time, 1);
  return open ? <div class="tag"><dt class="sr-only">State</dt><dd>Forming</dd></div> : null;
}
