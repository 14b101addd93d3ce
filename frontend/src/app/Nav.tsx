/** From page to page: links, so that they open in tabs and the browser's own back button works. */

import type { Desk } from "../state/desk.ts";
import { writeHash } from "../state/hash.ts";
import type { PageName } from "../state/route.ts";

const ICONS: Record<Exclude<PageName, "connection" | "account" | "token" | "platform">, string> = {
  markets: "M4 6h16M4 12h16M4 18h10",
  chart: "M7 4v3M7 15v5M5 7h4v8H5zM17 3v4M17 14v4M15 7h4v7h-4z",
  tokens: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8l3 4-3 4-3-4z",
  bots: "M6 9h12v9H6zM12 9V5M9.5 13v1M14.5 13v1M3.5 12v3M20.5 12v3",
  orders: "M6 4h12v16l-3-2-3 2-3-2-3 2zM9 9h6M9 13h6",
  activity: "M3 12h4l3-7 4 14 3-7h4",
  portfolio: "M4 20V10M9.3 20V4M14.6 20v-8M20 20V7",
  admin: "M4 17a8 8 0 1 1 16 0M12 17l4-5",
};

export function Nav({ desk }: { readonly desk: Desk }) {
  const page = desk.route.page.value;
  const current = page === "token" || page === "platform" ? "tokens" : page;
  const links: (readonly [keyof typeof ICONS, string, string])[] = [
    ["markets", "Markets", "#markets"],
    ["chart", "Chart", writeHash(desk.view.value)],
    ["bots", "Bots", "#bots"],
    ["orders", "Orders", "#orders"],
    ["activity", "Activity", "#activity"],
    ["portfolio", "Portfolio", "#portfolio"],
  ];
  if (desk.config.tokens) links.splice(2, 0, ["tokens", "Tokens", "#tokens"]);
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
