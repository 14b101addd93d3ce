/** The sentence over a page while the hub is gone. */

import { bannerFor } from "../state/pill.ts";
import type { Hub } from "../state/hub.ts";

interface Props {
  readonly hub: Hub;
  /** What the page does until the hub is back. */
  readonly meanwhile: string;
  /** What is interrupted. */
  readonly subject?: string;
}

export function Banner({ hub, meanwhile, subject }: Props) {
  const status = hub.status.value;
  const banner = status.state === "live" ? null : bannerFor(status, hub.now.value, meanwhile, subject);
  if (!banner) return null;
  return (
    <div class="banner" role="alert" data-testid="banner">
      <p>{banner.text}</p>
      {banner.canRetry && <button type="button" onClick={() => hub.retryNow()}>Reconnect now</button>}
    </div>
  );
}
