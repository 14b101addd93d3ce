/** A mark on what trades with real money. */

import { exchangeName } from "../state/credentials.ts";

export function RealBadge({ exchange }: { readonly exchange: string }) {
  return <span class="badge badge-real" title={`Orders go to ${exchangeName(exchange)}, with real money`}>Real money</span>;
}
