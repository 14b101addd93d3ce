/** The sentence over the chart while the hub is gone. */

import { bannerFor } from "../state/pill.ts";
import type { Session } from "../state/session.ts";

export function Banner({ session }: { readonly session: Session }) {
  const status = session.status.value;
  const banner = status.state === "live" ? null : bannerFor(status, session.now.value);
  if (!banner) return null;
  return (
    <div class="banner" role="alert" data-testid="banner">
      <p>{banner.text}</p>
      {banner.canRetry && <button type="button" onClick={() => session.retryNow()}>Reconnect now</button>}
    </div>
  );
}
