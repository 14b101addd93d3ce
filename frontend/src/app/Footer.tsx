/** What is small print. */

import type { ComponentChildren } from "preact";

export function Footer({ version, children }: { readonly version: string; readonly children?: ComponentChildren }) {
  return (
    <footer class="foot">
      <span>OpenOutcry {version}</span>
      <span>Times in UTC</span>
      {children}
    </footer>
  );
}
