/** What stands in the list's place while there is none. */

import type { Filter } from "../state/order.ts";

const ROWS = Array.from({ length: 18 }, (_, index) => 42 + ((index * 37) % 40));

export function GridSkeleton() {
  return (
    <div class="grid-skeleton" role="status" data-testid="loading">
      <span class="sr-only">Loading markets…</span>
      {ROWS.map((width, index) => <i key={index} aria-hidden="true"><b style={{ width: `${width}px` }} /><b /><b /></i>)}
    </div>
  );
}

export function MarketsError({ message, onRetry }: { message: string; onRetry(): void }) {
  return (
    <div class="notice" role="alert" data-testid="error">
      <h2>Markets could not be loaded</h2>
      <p>{message}</p>
      <button type="button" class="button" onClick={onRetry}>Try again</button>
    </div>
  );
}

export function MarketsEmpty() {
  return (
    <div class="notice" role="status" data-testid="empty">
      <h2>No prices yet</h2>
      <p>Neither the exchange's stream nor its REST has answered. The list appears by itself as soon as one of them does.</p>
    </div>
  );
}

export function NothingFound({ filter, onClear }: { filter: Filter; onClear(): void }) {
  const narrowed = [filter.quote && `quoted in ${filter.quote}`, filter.recorded && "recorded here"].filter(Boolean).join(" and ");
  const query = filter.query.trim();
  return (
    <div class="notice" role="status" data-testid="nothing-found">
      <h2>{query ? `No market matches “${query}”` : "No such market"}</h2>
      {narrowed && <p>Only markets {narrowed} are searched.</p>}
      <button type="button" class="button" onClick={onClear}>Show all markets</button>
    </div>
  );
}
