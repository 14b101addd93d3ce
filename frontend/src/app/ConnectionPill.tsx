/** One glance says whether the prices are alive. */

import { pillFor } from "../state/pill.ts";
import type { Hub } from "../state/hub.ts";

export function ConnectionPill({ hub }: { readonly hub: Hub }) {
  const status = hub.status.value;
  const { tone, label } = pillFor(status, status.state === "live" ? 0 : hub.now.value);
  return (
    <a class="pill" href="#connection" title="The connection" data-tone={tone} data-state={status.state} data-testid="pill">
      <i aria-hidden="true" />
      <span>{label}</span>
      {/* The countdown would be read out every second; the state alone is enough to hear. */}
      <span class="sr-only" role="status">Connection: {status.state}</span>
    </a>
  );
}
