/** Every key, on one sheet. */

import { Sheet } from "./Sheet.tsx";

const GROUPS: readonly { readonly title: string; readonly keys: readonly (readonly [string, string])[] }[] = [
  {
    title: "Anywhere",
    keys: [
      ["/", "Find a market, or a bot"],
      ["g   m", "Markets"],
      ["g   c", "Chart"],
      ["g   b", "Bots"],
      ["g   o", "Orders"],
      ["g   a", "Activity"],
      ["g   p", "Portfolio"],
      ["g   h", "The connection to the hub"],
      ["g   u", "Your account and keys"],
      ["g   t", "Tokens, where a chain is followed"],
      ["g   v", "What all tokens were traded for"],
      ["?", "This sheet"],
      ["Esc", "Close"],
    ],
  },
  {
    title: "Among the bots",
    keys: [
      ["n", "New bot"],
      ["↑   ↓", "Bot by bot, once the list has the focus"],
      ["Enter", "Look at it, change it"],
      ["s", "Start or stop it"],
      ["c", "Clone it"],
      ["Delete", "Delete it"],
      ["o", "Its orders"],
      ["l", "Its log"],
    ],
  },
  {
    title: "Among the orders",
    keys: [["1   2   3", "Open, all, fills"], ["↑   ↓", "Row by row"], ["Home   End", "Newest, oldest"], ["Delete", "Cancel the order"]],
  },
  {
    title: "In the activity log",
    keys: [["↑   ↓", "Line by line"], ["Home   End", "Newest, oldest"], ["Enter", "The whole line"]],
  },
  {
    title: "In the list of markets",
    keys: [["↑   ↓", "Market by market"], ["Page Up   Page Down", "Screen by screen"], ["Home   End", "First, last"], ["Enter", "Open its chart"]],
  },
  {
    title: "In the list of tokens",
    keys: [["/", "Find a token"], ["↑   ↓", "Token by token"], ["Enter", "Open it; in the search, the first one"]],
  },
  {
    title: "On the chart",
    keys: [
      ["[   ]", "Shorter, longer timeframe"],
      ["←   →", "Candle by candle"],
      ["Shift   ←   →", "Scroll"],
      ["+   −", "Zoom"],
      ["Home", "Oldest loaded candle"],
      ["End", "Newest candle"],
    ],
  },
];

export function HelpSheet({ onClose }: { onClose(): void }) {
  return (
    <Sheet label="Help" title="Keyboard" onClose={onClose} wide reading>
      <div class="help-groups">
        {GROUPS.map(({ title, keys }) => (
          <section key={title} class="help-group">
            <h3>{title}</h3>
            <dl>
              {keys.map(([key, what]) => (
                <div key={key}>
                  <dt>{key.split(/ {3}/).map((one) => <kbd key={one}>{one}</kbd>)}</dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p class="help-note">A hollow candle is incomplete: its time is over, but trades may be missing. It corrects itself when they arrive. All times are UTC.</p>
    </Sheet>
  );
}
