/** How far a token's curve is from its target. */

import type { Token } from "@openoutcry/client";
import { shareText } from "../state/ether.ts";

export function Progress({ token, wide = false }: { readonly token: Token; readonly wide?: boolean }) {
  const { progressPercent: percent, graduatedAt } = token;
  if (percent === null && graduatedAt === null) return <span class="none" title="This launchpad has no target">—</span>;
  const done = graduatedAt !== null;
  const share = done ? 100 : (percent ?? 0);
  const words = done ? "Graduated" : shareText(share);
  return (
    <span class={wide ? "progress progress-wide" : "progress"} data-done={done}>
      <span class="progress-bar" role="progressbar" aria-label="Progress of the curve" aria-valuemin={0} aria-valuemax={100} aria-valuenow={share} aria-valuetext={words}>
        <i style={{ width: `${Math.max(share > 0 ? 2 : 0, share)}%` }} />
      </span>
      <span class="progress-words" aria-hidden="true">{words}</span>
    </span>
  );
}
