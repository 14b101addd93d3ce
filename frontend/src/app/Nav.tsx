/** From page to page: links, so that they open in tabs and the browser's own back button works. */

import type { Desk } from "../state/desk.ts";
import { writeHash } from "../state/hash.ts";
import type { PageName } from "../state/route.ts";

const ICONS: Record<PageName, string> = {
  markets: "M4 6h16M4 12h16M4 18h10",
  chart: "M7 4v3M7 15v5M5 7h4v8H5zM17 3v4M17 14v4M15 7h4v7h-4z",
  admin: "M4 17a8 8 0 1 1 16 0M12 17l4-5",
};

export function Nav({ desk }: { readonly desk: Desk }) {
  const current = desk.route.page.value;
  const links: (readonly [PageName, string, string])[] = [
    ["markets", "Markets", "#markets"],
    ["chart", "Chart", writeHash(desk.view.value)],
  ];
  if (desk.signedIn.isAdmin) links.push(["admin", "Admin", "#admin"]);
  return (
    <nav class="nav" aria-label="Pages">
      {links.map(([name, label, href]) => (
        <a key={name} href={href} aria-current={name === current ? "page" : undefined}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d={ICONS[name]} /></svg>
          <span>{label}</span>
        </a>
      ))}
    </nav>
  );
}
