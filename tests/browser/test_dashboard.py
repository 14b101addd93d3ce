"""The dashboard in a real Chromium: what it shows, and that it says so when it cannot."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import press
from browser.standin import make_candle

if TYPE_CHECKING:
    from browser.conftest import HubControl, OpenPage
    from browser.standin import StandIn

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)
PHONE = (375, 812)
NARROWEST = (320, 640)


def ready(page: Page) -> Page:
    """Wait until candles are drawn and the hub is heard."""
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "live")
    expect(page.get_by_test_id("legend")).to_be_visible()
    return page


def legend(page: Page, part: str) -> str:
    """Return a number of the legend as it is shown."""
    return page.get_by_test_id(part).inner_text()


def moves(page: Page, part: str = "close") -> None:
    """Wait until a number of the legend changes by itself."""
    expect(page.get_by_test_id(part)).not_to_have_text(legend(page, part))


def candle_count(page: Page) -> int:
    """Return how many candles the text alternative speaks of."""
    found = re.search(r"([\d,]+) candles from", page.get_by_test_id("summary").inner_text())
    return int(found.group(1).replace(",", "")) if found else 0


def walk_left(page: Page) -> None:
    """Move the chart's cursor one candle back and wait for the legend to follow."""
    stamp = page.locator(".legend-time")
    shown = stamp.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(stamp).not_to_have_text(shown)


def fits(page: Page) -> None:
    """Check that nothing sticks out to the side."""
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


def test_candles_appear_and_move(open_page: OpenPage) -> None:
    """Candles are drawn, the newest moves with the market, and prices are shown in full."""
    page = ready(open_page())
    assert page.locator(".plot canvas").count() > 0
    assert re.fullmatch(r"\d{2},\d{3}\.\d{2}", legend(page, "close"))
    moves(page)
    assert candle_count(page) >= 600


def test_new_buckets_are_appended(open_page: OpenPage) -> None:
    """A bucket that begins while the page is open becomes a candle without a reload."""
    page = ready(open_page("BTCUSDT/1s"))
    stamp = page.locator(".legend-time")
    for _ in range(2):
        expect(stamp).not_to_have_text(stamp.inner_text())


def test_quote_shows_every_digit_and_its_direction(open_page: OpenPage) -> None:
    """Last, bid and ask are live, exact, and coloured by the last move."""
    page = ready(open_page())
    assert re.match(r"\d{2},\d{3}\.\d{2,5}$", page.get_by_test_id("bid").inner_text())
    expect(page.get_by_test_id("last")).to_have_attribute("data-direction", re.compile("up|down"))
    last = page.get_by_test_id("last")
    expect(last).not_to_have_text(last.inner_text())


def test_tape_shows_trades_newest_first(open_page: OpenPage) -> None:
    """Trades scroll by, newest on top, and the tape does not grow without end."""
    page = ready(open_page())
    rows = page.locator("[data-testid=tape] tbody tr")
    expect(rows.first).to_be_visible()
    times = rows.locator("td:last-child").all_inner_texts()
    assert times == sorted(times, reverse=True)
    expect(rows).to_have_count(50)


def test_timeframe_by_click(open_page: OpenPage) -> None:
    """A click on a timeframe changes the chart and the address; rare ones are in the menu."""
    page = ready(open_page())
    page.get_by_role("radio", name="1 hour", exact=True).click()
    expect(page).to_have_url(re.compile("#BTCUSDT/1h$"))
    ready(page)
    page.get_by_role("button", name="More timeframes").click()
    page.get_by_role("menuitemradio", name="12 hours").click()
    expect(page).to_have_url(re.compile("#BTCUSDT/12h$"))
    ready(page)
    expect(page.get_by_role("menu")).to_have_count(0)


def test_timeframe_by_keyboard(open_page: OpenPage) -> None:
    """Brackets step through every timeframe, arrows through the favourites, Enter opens the menu."""
    page = ready(open_page())
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile("#BTCUSDT/3m$"))
    page.keyboard.press("[")
    page.get_by_role("radio", name="1 minute", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("#BTCUSDT/5m$"))
    expect(page.get_by_role("radio", name="5 minutes", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#BTCUSDT/1M$"))
    ready(page)


def test_symbol_by_keyboard(open_page: OpenPage) -> None:
    """Slash, a few letters and Enter bring up another market; a reload brings it up again."""
    page = ready(open_page())
    page.keyboard.press("/")
    page.keyboard.type("eth")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("symbol")).to_have_text("ETH/USDT")
    expect(page.get_by_test_id("close")).to_have_text(re.compile(r"^3,\d{3}\.\d{2}$"))
    expect(page.get_by_test_id("last")).to_have_text(re.compile(r"3,\d{3}\.\d{2}"))
    expect(page).to_have_title(re.compile("ETH/USDT"))
    page.reload()
    expect(ready(page).get_by_test_id("symbol")).to_have_text("ETH/USDT")


def test_symbol_by_click(open_page: OpenPage) -> None:
    """The symbol button opens the list, and a click in it chooses."""
    page = ready(open_page())
    page.get_by_test_id("symbol").click()
    page.get_by_role("option", name="SOL/USDT").click()
    expect(page.get_by_test_id("symbol")).to_have_text("SOL/USDT")
    expect(ready(page).get_by_test_id("close")).to_have_text(re.compile(r"^1\d{2}\.\d{2}$"))


def test_an_unknown_symbol_in_the_search_says_so(open_page: OpenPage) -> None:
    """A search without a hit tells that, and Escape leaves everything as it was."""
    page = ready(open_page())
    page.keyboard.press("/")
    page.keyboard.type("zzz")
    expect(page.get_by_text("No symbol matches “zzz”.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("symbol")).to_have_text("BTC/USDT")


def test_hub_dies_and_comes_back(open_page: OpenPage, hub_control: HubControl) -> None:
    """While the hub is gone the page says so; when it is back the page goes on by itself."""
    page = ready(open_page())
    hub_control.kill()
    expect(page.get_by_test_id("pill")).to_contain_text("Reconnecting")
    expect(page.get_by_test_id("banner")).to_contain_text("Live prices are interrupted")
    expect(page.get_by_test_id("quote")).to_have_attribute("data-dated", "true")
    hub_control.revive()
    expect(page.get_by_test_id("pill")).to_have_text(re.compile("^Live"), timeout=40_000)
    expect(page.get_by_test_id("banner")).to_have_count(0)
    moves(page)


def test_what_was_missed_is_fetched(open_page: OpenPage, standin: StandIn) -> None:
    """Candles that came and went while the hub was gone are there after the reconnect."""
    page = ready(open_page("BTCUSDT/1s"))
    standin.kill()
    time.sleep(3)
    standin.revive()
    ready(page)
    moves(page)
    page.locator(".plot").focus()
    page.keyboard.press("ArrowLeft")
    stamps = []
    for _ in range(8):
        walk_left(page)
        stamps.append(page.locator(".legend-time").inner_text()[-2:])
    seconds = [int(stamp) for stamp in stamps]
    assert all((a - b) % 60 == 1 for a, b in pairwise(seconds)), seconds


def test_reconnect_now(open_page: OpenPage, hub_control: HubControl) -> None:
    """The button in the banner tries at once instead of waiting for the planned attempt."""
    page = ready(open_page())
    hub_control.kill()
    expect(page.get_by_role("button", name="Reconnect now")).to_be_visible()
    hub_control.revive()
    press(page, "Reconnect now")
    expect(page.get_by_test_id("pill")).to_have_text(re.compile("^Live"))


def test_silent_hub_is_stale(open_page: OpenPage, standin: StandIn) -> None:
    """A hub that is connected but says nothing is called stale, with the seconds, until it speaks."""
    page = ready(open_page())
    standin.silent = True
    pill = page.get_by_test_id("pill")
    expect(pill).to_contain_text(re.compile(r"Stale: no data for \d+ s"))
    expect(page.get_by_test_id("quote")).to_have_attribute("data-dated", "true")
    standin.silent = False
    expect(pill).to_have_text(re.compile("^Live"))


def test_closed_for_good(open_page: OpenPage, standin: StandIn) -> None:
    """A close code that forbids coming back is obeyed, and the page says what to do."""
    page = ready(open_page())
    standin.close_all(3503)
    expect(page.get_by_test_id("pill")).to_contain_text("Disconnected")
    expect(page.get_by_test_id("banner")).to_contain_text("3503")
    time.sleep(3)
    expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "closed")


def test_loading(open_page: OpenPage, standin: StandIn) -> None:
    """While candles are on their way there is a skeleton, then the chart."""
    standin.mode = "slow"
    page = open_page()
    expect(page.get_by_test_id("loading")).to_be_visible()
    expect(page.get_by_test_id("chart")).to_have_attribute("aria-busy", "true")
    ready(page)


def test_empty_until_the_first_trade(open_page: OpenPage, standin: StandIn) -> None:
    """A market without trades says so, and the first one appears without a reload."""
    standin.mode = "empty"
    page = open_page("PEPEUSDT/1m")
    expect(page.get_by_test_id("empty")).to_contain_text("No trades recorded yet for PEPE/USDT")
    now = time.time()
    first = make_candle("PEPEUSDT", "1m", int(now) // 60 * 60, now)
    standin.publish("candle:PEPEUSDT:1m", first)
    ready(page)
    assert legend(page, "open") == first["open"]


def test_error_with_retry(open_page: OpenPage, standin: StandIn) -> None:
    """A failed load shows the server's own words and a button that works."""
    standin.mode = "error"
    page = open_page()
    expect(page.get_by_test_id("error")).to_contain_text("The store does not answer")
    standin.mode = "ok"
    page.get_by_role("button", name="Try again").click()
    ready(page)


def test_server_unreachable(open_page: OpenPage) -> None:
    """Without a configuration there is nothing to show but that, and a retry."""
    page = ready(open_page())
    page.route("**/api/v1/config", lambda route: route.abort())
    page.reload()
    expect(page.get_by_test_id("app-error")).to_contain_text("The server cannot be reached")
    page.unroute("**/api/v1/config")
    page.get_by_role("button", name="Try again").click()
    ready(page)


def test_late_candle_for_an_older_bucket(open_page: OpenPage, standin: StandIn) -> None:
    """A repaired candle far back replaces the old one; the newest stays the newest."""
    page = ready(open_page())
    now = time.time()
    bucket = int(now) // 60 * 60 - 5 * 60
    late = make_candle("BTCUSDT", "1m", bucket, now)
    repaired = {**late, "high": "99999.5", "close": "77777.77", "trades": late["trades"] + 1}
    standin.publish("candle:BTCUSDT:1m", repaired)
    moves(page)
    assert legend(page, "close") != "77,777.77"
    page.locator(".plot").focus()
    page.keyboard.press("ArrowLeft")
    for _ in range(7):
        walk_left(page)
        if legend(page, "close") == "77,777.77":
            break
    assert legend(page, "high") == "99,999.50"


def test_incomplete_candles_are_marked(open_page: OpenPage) -> None:
    """A candle that may lack trades says so in the legend when the crosshair is on it."""
    page = ready(open_page())
    page.locator(".plot").focus()
    page.keyboard.press("ArrowLeft")
    for _ in range(27):
        walk_left(page)
        if page.get_by_text("Incomplete", exact=True).is_visible():
            break
    expect(page.get_by_text("Incomplete", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Incomplete", exact=True)).to_have_count(0)


def test_history_loads_when_scrolling_back(open_page: OpenPage, standin: StandIn) -> None:
    """Scrolling left loads older candles, also across a month in which nothing was recorded."""
    now = time.time()
    standin.holes = [(now - 40 * 86400, now - 10 * 3600)]
    page = ready(open_page())
    first = candle_count(page)
    assert 600 <= first <= 602  # a minute may have begun since
    plot = page.locator(".plot")
    plot.focus()
    month_ago = f"from {time.strftime('%b', time.gmtime(now - 40 * 86400))}"
    for _ in range(60):
        page.keyboard.press("Home")
        page.wait_for_timeout(500)
        if month_ago in page.get_by_test_id("summary").inner_text():
            break
    expect(page.get_by_role("button", name="Latest")).to_be_visible()
    expect(page.get_by_test_id("summary")).to_contain_text(month_ago)
    assert candle_count(page) > first + 100
    assert all("fill" not in asked for asked in standin.requests)
    page.get_by_role("button", name="Latest").click()
    expect(page.get_by_role("button", name="Latest")).to_have_count(0)


def test_the_start_of_history_is_asked_for_once(open_page: OpenPage, standin: StandIn) -> None:
    """At the very beginning the page stops asking."""
    standin.history_start = time.time() - 20 * 60
    page = ready(open_page())
    page.locator(".plot").focus()
    asked = -1
    while asked != len(standin.requests):
        asked = len(standin.requests)
        page.wait_for_timeout(1_000)
    for _ in range(5):
        page.keyboard.press("Home")
        page.wait_for_timeout(200)
    assert len(standin.requests) == asked


def test_nonsense_from_the_hub_is_ignored(open_page: OpenPage, standin: StandIn) -> None:
    """Messages that are not the protocol change nothing and break nothing."""
    page = ready(open_page())
    for text in ("", "{", "null", '{"type":"candle_update","channel":"candle:BTCUSDT:1m"}'):
        standin.publish_raw(text)
    moves(page)


def test_help_sheet(open_page: OpenPage) -> None:
    """The question mark lists the keys; Escape closes it and gives the focus back."""
    page = ready(open_page())
    page.get_by_test_id("symbol").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    page.keyboard.press("]")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_test_id("symbol")).to_be_focused()
    expect(page).to_have_url(re.compile("#BTCUSDT/1m$"))


@pytest.mark.parametrize("size", [PHONE, NARROWEST])
@pytest.mark.parametrize("view", ["BTCUSDT/1m", "PEPEUSDT/15m"])
def test_phone(
    open_page: OpenPage, hub_control: HubControl, view: str, size: tuple[int, int]
) -> None:
    """On a phone everything fits the width, in every state, and can be touched."""
    page = ready(open_page(view, size))
    fits(page)
    for radio in page.get_by_role("radio").all():
        box = radio.bounding_box()
        assert box is not None
        assert box["height"] >= 36
    page.get_by_role("button", name="More timeframes").click()
    fits(page)
    page.keyboard.press("Escape")
    page.get_by_test_id("symbol").click()
    fits(page)
    page.keyboard.press("Escape")
    hub_control.kill()
    expect(page.get_by_test_id("banner")).to_be_visible()
    fits(page)


def test_everything_has_a_name(open_page: OpenPage) -> None:
    """Every control can be reached and is named for those who do not see it."""
    page = ready(open_page())
    for control in page.locator("button, a, input, [tabindex='0']").all():
        name = control.evaluate(
            "e => e.ariaLabel || e.textContent.trim() || e.getAttribute('aria-labelledby')"
        )
        assert name, control.evaluate("e => e.outerHTML")
    assert "Candlestick chart of BTC/USDT" in page.get_by_test_id("summary").inner_text()
