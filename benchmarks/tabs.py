"""From a change to every open tab: two users with three tabs each, in a real Chromium.

    python benchmarks/tabs.py                 # 1,000 changes
    python benchmarks/tabs.py --events 200

It starts engines and all roles. A program makes changes over REST (a bot made, started, stopped,
deleted); each tab notes when its page shows them. Times are from the request being sent, and from the
moment of the commit, to the change in the page. No tab may ever show another user's bot.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import shutil
import time
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from openoutcry.adapters.postgres.migrate import upgrade
from prices import free_port, role, wait_for
from scratch import scratch_engines

PASSWORD = "correct horse battery"  # noqa: S105  (of this run's database)
USERS = ("ada", "bob")
TABS = 3

# Notes when the list of bots shows a name with a status that it did not show before.
WATCH = """() => {
  window.shown = {};
  const look = () => {
    const now = performance.timeOrigin + performance.now();
    const names = {};
    for (const row of document.querySelectorAll('[role=row], tr')) {
      const state = row.querySelector('.state');
      if (!state) continue;
      const name = (row.textContent.match(/bot-[a-z]+-[0-9]+/) || [])[0];
      if (name) names[name] = state.textContent.trim();
    }
    for (const [name, state] of Object.entries(names))
      window.shown[`${name} ${state}`] ??= now;
    for (const key of Object.keys(window.last || {}))
      if (!(key in names)) window.shown[`${key} gone`] ??= now;
    window.last = names;
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true,
    characterData: true, attributes: true});
  look();
}"""


class Somebody:
    """A user of the API, over one connection."""

    def __init__(self, port: int, name: str) -> None:
        self.name = name
        self._http = http.client.HTTPConnection("127.0.0.1", port)
        self._token = ""
        self.ask("POST", "/auth/sign-up", {"name": name, "password": PASSWORD})
        signed = self.ask("POST", "/auth/token", {"name": name, "password": PASSWORD})
        self._token = signed["accessToken"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return what the API answers."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body)
        self._http.request(method, f"/api/v1{path}", data, headers)
        answer = self._http.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None


async def open_tab(browser: Browser, port: int, name: str) -> Page:
    """Return a page of the list of bots, signed in."""
    page = await (await browser.new_context()).new_page()
    await page.goto(f"http://127.0.0.1:{port}/#bots")
    await page.get_by_test_id("account").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name=f"Signed in as {name}").wait_for()
    await page.evaluate(WATCH)
    return page


class Change:
    """One change: what the pages have to show, when it was sent and when it was committed (ms)."""

    def __init__(self, user: str, shows: str, sent: float, committed: float) -> None:
        self.user, self.shows, self.sent, self.committed = user, shows, sent, committed


def make_changes(users: list[Somebody], events: int, pause: float) -> list[Change]:
    """Make bots, start, stop and delete them; return what was changed when."""
    made = []
    for number in range(events // 3):
        user = users[number % len(users)]
        name = f"bot-{user.name}-{number}"
        bot = {
            "name": name, "strategy": "scalper", "ticker": "BTCUSDT",
            "quantity": "0.01", "buy_price": "1000", "sell_price": "2000",
        }  # fmt: skip
        sent = time.time() * 1000
        found = user.ask("POST", "/bots", bot)
        made.append(Change(user.name, f"{name} Stopped", sent, _ms(found["updated_at"])))
        time.sleep(pause)
        for what, shows in (("start", "Running"), ("stop", "gone")):
            sent = time.time() * 1000
            if what == "start":
                done = user.ask("POST", f"/bots/{found['id']}/start")
                committed = _ms(done["updated_at"])
            else:
                user.ask("DELETE", f"/bots/{found['id']}")
                committed = sent
            made.append(Change(user.name, f"{name} {shows}", sent, committed))
            time.sleep(pause)
    return made


def _ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


def show(what: str, times: list[float]) -> None:
    """Print the quantiles of times in ms."""
    times.sort()
    at = [times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95, 0.99)]
    print(f"{what:34} {len(times):6,}   p50 {at[0]:5.1f}   p95 {at[1]:5.1f}   p99 {at[2]:5.1f}"
          f"   max {times[-1]:5.1f} ms", flush=True)  # fmt: skip


async def measure(port: int, events: int, pause: float) -> None:
    """Open the tabs, make the changes, print what the tabs saw."""
    users = [Somebody(port, name) for name in USERS]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-renderer-backgrounding",
                  "--disable-background-timer-throttling",
                  "--disable-backgrounding-occluded-windows"],
        )  # fmt: skip
        tabs = [
            (user.name, await open_tab(browser, port, user.name))
            for user in users
            for _ in range(TABS)
        ]
        await asyncio.sleep(2)
        changes = await asyncio.to_thread(make_changes, users, events, pause)
        await asyncio.sleep(2)
        seen = [(name, await page.evaluate("() => window.shown")) for name, page in tabs]
        await browser.close()
    sent: list[float] = []
    missed = 0
    for name, shown in seen:
        for change in changes:
            if change.user != name:
                continue
            if (at := shown.get(change.shows)) is None:
                missed += 1
            else:
                sent.append(at - change.sent)
        foreign = [key for key in shown if f"bot-{name}-" not in key]
        if foreign:
            raise SystemExit(f"{name} was shown {foreign[:3]}")
    show("request sent -> in the page", sent)
    print(f"{len(changes):,} changes, {len(tabs)} tabs, not shown {missed}, shown to others 0")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between changes")
    options = parser.parse_args()
    rest, ws, api, hub = (free_port() for _ in range(4))
    async with scratch_engines() as running:
        await upgrade(running.database_url)
        environment = {
            "OUTCRY_DATABASE_URL": running.database_url,
            "OUTCRY_VALKEY_URL": running.valkey_url,
            "OUTCRY_SYMBOLS": "BTCUSDT",
            "OUTCRY_SANDBOX_PORT": str(rest),
            "OUTCRY_SANDBOX_WS_PORT": str(ws),
            "OUTCRY_BINANCE_REST_URL": f"http://127.0.0.1:{rest}",
            "OUTCRY_BINANCE_WS_URL": f"ws://127.0.0.1:{ws}",
            "OUTCRY_PORT": str(api),
            "OUTCRY_WS_PORT": str(hub),
            "OUTCRY_SIGN_UP": "open",
        }
        with ExitStack() as stack:
            for name in ("sandbox", "feed", "recorder", "api", "hub", "trader"):
                stack.enter_context(role(name, environment))
            wait_for(f"http://127.0.0.1:{api}/api/v3/ticker/price?symbol=BTCUSDT")
            await measure(api, options.events, options.pause)


if __name__ == "__main__":
    asyncio.run(main())
