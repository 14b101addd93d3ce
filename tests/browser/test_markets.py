"""The list of all markets in a real Chromium: found, sorted, live, and still where it has to be."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.conftest import OpenPage, press
from browser.standin import StandIn

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)
PHONE = (375, 812)
NARROWEST = (320, 640)
SOME, MANY = 300, 3_000
MINUS = "\N{MINUS SIGN}"
# Rows on a 900 px screen, and some beyond its edges.
MOST_ROWS = 45
PICTURE = Path(__file__).parents[2] / "docs" / "markets.png"


@pytest.fixture
def markets() -> int:
    """So many are listed: several screens full, and sent ten times as quickly as all of them."""
    return SOME


three_thousand = pytest.mark.parametrize("markets", [MANY])


@pytest.fixture
def standin(markets: int) -> Iterator[StandIn]:
    """A scripted server with some markets."""
    server = StandIn(markets=markets)
    server.start()
    yield server
    server.stop()


def listed(page: Page) -> Page:
    """Wait until the list is there."""
    expect(page.get_by_test_id("markets")).to_have_attribute("data-phase", "ready")
    expect(page.locator(".market").first).to_be_visible()
    return page


def row(page: Page, symbol: str) -> Locator:
    """Return a market's row."""
    return page.locator(f".market[data-symbol={symbol}]")


def symbols(page: Page) -> list[str]:
    """Return the symbols on the screen, from above."""
    read = "rows => rows.map(r => [Number(r.dataset.index), r.dataset.symbol])"
    return [symbol for _, symbol in sorted(page.locator(".market").evaluate_all(read))]


def column(page: Page, name: str) -> list[float]:
    """Return the figures of a column on the screen, from above."""
    order = "rows => rows.sort((a, b) => a.dataset.index - b.dataset.index)"
    texts = page.locator(".market").evaluate_all(
        f"rows => ({order})(rows).map(r => r.querySelector('.{name}').textContent)"
    )
    return [float(re.sub("[^0-9.-]", "", text.replace(MINUS, "-"))) for text in texts]


def search(page: Page, text: str) -> None:
    """Type into the search."""
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search markets")).to_be_focused()
    page.keyboard.type(text)


def head(page: Page, name: str) -> Locator:
    """Return the head of a column."""
    return page.get_by_role("columnheader", name=name)


def fits(page: Page) -> None:
    """Check that nothing sticks out to the side."""
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


def changes(cell: Locator) -> None:
    """Wait until a cell's text changes by itself."""
    expect(cell).not_to_have_text(cell.inner_text())


@three_thousand
def test_all_are_listed_and_few_are_drawn(open_page: OpenPage) -> None:
    """Three thousand markets are there, to the last one, and only those on the screen exist."""
    page = listed(open_page("markets"))
    expect(page.get_by_test_id("source")).to_contain_text("3,000 markets")
    grid = page.get_by_role("grid", name="Markets")
    expect(grid).to_have_attribute("aria-rowcount", str(MANY + 1))
    assert page.locator(".market").count() < MOST_ROWS
    for share in (0.25, 0.5, 0.75, 1):
        grid.evaluate("(e, share) => { e.scrollTop = e.scrollHeight * share; }", share)
        at = str(int(MANY * share) - 1) if share == 1 else None
        if at:
            expect(page.locator(f"#market-{at}")).to_be_in_viewport()
        assert 0 < page.locator(".market").count() < MOST_ROWS


def test_figures_are_as_listed(open_page: OpenPage, standin: StandIn) -> None:
    """A row shows what the server says: price digit for digit, change, volume, high and low."""
    standin.ticking = False
    page = listed(open_page("markets"))
    search(page, "btcusdt")
    (wanted,) = (each for each in standin.listing.markets() if each["symbol"] == "BTCUSDT")
    texts = row(page, "BTCUSDT").get_by_role("gridcell").all_inner_texts()
    assert texts[0].strip() == "BTC/USDT"
    assert texts[1] == f"{float(wanted['price']):,.2f}"
    assert float(texts[2].replace(MINUS, "-").rstrip("%")) == pytest.approx(
        float(wanted["changePercent"]), abs=0.006
    )
    assert texts[3].split() == ["1.9B", "USDT"]
    assert texts[4] == f"{float(wanted['high']):,.2f}"
    assert texts[5] == f"{float(wanted['low']):,.2f}"
    expect(row(page, "BTCUSDT").locator(".spark path")).to_have_attribute("d", re.compile("^M2"))


def test_a_change_arrives_by_itself(open_page: OpenPage, standin: StandIn) -> None:
    """What the hub pushes is shown without a reload, and only what it names changes."""
    standin.ticking = False
    page = listed(open_page("markets"))
    search(page, "ethusdt")
    high = row(page, "ETHUSDT").locator(".m-high").inner_text()
    standin.publish("tickers", [{"symbol": "ETHUSDT", "price": "3456.78", "changePercent": "-4.5"}])
    expect(row(page, "ETHUSDT").locator(".m-price")).to_have_text("3,456.78")
    expect(row(page, "ETHUSDT").locator(".m-change")).to_have_text(f"{MINUS}4.50%")
    expect(row(page, "ETHUSDT").locator(".m-high")).to_have_text(high)
    expect(page.get_by_test_id("source")).to_contain_text("Stream, live")


def test_a_move_flashes_unless_motion_is_unwelcome(open_page: OpenPage, standin: StandIn) -> None:
    """A move is marked with its direction; whoever asked for less motion sees it without one."""
    standin.ticking = False
    page = listed(open_page("markets"))
    search(page, "solusdt")
    price = row(page, "SOLUSDT").locator(".flash")
    expect(price).to_have_class("flash")
    standin.publish("tickers", [{"symbol": "SOLUSDT", "price": "999"}])
    expect(price).to_have_class(re.compile("flash-up"))
    style = "e => getComputedStyle(e, '::before').animationName"
    assert price.evaluate(style) == "none"
    page.emulate_media(reduced_motion="no-preference")
    standin.publish("tickers", [{"symbol": "SOLUSDT", "price": "998"}])
    expect(price).to_have_class(re.compile("flash-down"))
    assert price.evaluate(style).startswith("flash-")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Price", "m-price"),
        ("24 h change", "m-change"),
        ("24 h high", "m-high"),
        ("24 h low", "m-low"),
    ],
)
def test_sorting_by_figures(open_page: OpenPage, standin: StandIn, name: str, part: str) -> None:
    """A click sorts from the largest, another from the smallest, and the head says so."""
    standin.ticking = False
    page = listed(open_page("markets"))
    expect(head(page, "24 h volume")).to_have_attribute("aria-sort", "descending")
    head(page, name).get_by_role("button").click()
    expect(head(page, name)).to_have_attribute("aria-sort", "descending")
    expect(head(page, "24 h volume")).to_have_attribute("aria-sort", "none")
    largest = column(page, part)
    assert largest == sorted(largest, reverse=True)
    head(page, name).get_by_role("button").click()
    expect(head(page, name)).to_have_attribute("aria-sort", "ascending")
    smallest = column(page, part)
    assert smallest == sorted(smallest)
    assert smallest[0] < largest[0]


def test_sorting_by_keyboard(open_page: OpenPage, standin: StandIn) -> None:
    """Heads are reached and pressed by keyboard; names are sorted from A."""
    standin.ticking = False
    page = listed(open_page("markets"))
    head(page, "Market").get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head(page, "Market")).to_have_attribute("aria-sort", "ascending")
    every = sorted(each["symbol"] for each in standin.listing.markets())
    assert symbols(page) == every[: len(symbols(page))]
    page.keyboard.press("Space")
    expect(head(page, "Market")).to_have_attribute("aria-sort", "descending")
    assert symbols(page)[0] == every[-1]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(head(page, "Price")).to_have_attribute("aria-sort", "descending")


def test_volume_is_sorted_by_its_worth(open_page: OpenPage, standin: StandIn) -> None:
    """Volumes in different assets are compared in one: the largest number is not the largest volume."""
    standin.ticking = False
    page = listed(open_page("markets"))
    assert symbols(page)[:3] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    lira = next(each for each in standin.listing.markets() if each["symbol"] == "USDTTRY")
    assert float(lira["quoteVolume"]) > 1.9e9
    assert symbols(page).index("USDTTRY") > symbols(page).index("BNBUSDT")


@three_thousand
def test_search_and_filters(open_page: OpenPage) -> None:
    """What is typed and chosen narrows the list at once; the count follows; Escape clears."""
    page = listed(open_page("markets"))
    source = page.get_by_test_id("source")
    search(page, "eth/b")
    expect(source).to_contain_text("1 of 3,000 markets")
    assert symbols(page) == ["ETHBTC"]
    page.keyboard.press("Escape")
    expect(source).to_contain_text("3,000 markets")
    page.get_by_role("button", name="BTC", exact=True).click()
    expect(source).to_contain_text(re.compile(r"\d{2,3} of 3,000"))
    assert all(symbol.endswith("BTC") for symbol in symbols(page))
    page.get_by_label("Other quote assets").select_option("TRY")
    expect(row(page, "USDTTRY")).to_be_visible()
    assert all(symbol.endswith("TRY") for symbol in symbols(page))
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Recorded").click()
    expect(source).to_contain_text("4 of 3,000 markets")
    assert sorted(symbols(page)) == ["BTCUSDT", "ETHUSDT", "PEPEUSDT", "SOLUSDT"]


def test_nothing_found_says_why(open_page: OpenPage) -> None:
    """A search without a hit names what it searched, and one button brings everything back."""
    page = listed(open_page("markets"))
    page.get_by_role("button", name="Recorded").click()
    search(page, "zzz")
    expect(page.get_by_test_id("nothing-found")).to_contain_text("No market matches “zzz”")
    expect(page.get_by_test_id("nothing-found")).to_contain_text("recorded here")
    page.get_by_role("button", name="Show all markets").click()
    expect(page.get_by_test_id("source")).to_contain_text(f"{SOME} markets")


def test_a_click_opens_the_chart_and_back_returns(open_page: OpenPage) -> None:
    """A recorded market opens as a chart; the way back finds the list as it was left."""
    page = listed(open_page("markets"))
    search(page, "eth")
    row(page, "ETHUSDT").locator(".m-change").click()
    expect(page).to_have_url(re.compile("#ETHUSDT/1m$"))
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    expect(page.get_by_test_id("symbol")).to_have_text("ETH/USDT")
    page.go_back()
    expect(row(page, "ETHBTC")).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search markets")).to_have_value("eth")


def test_what_is_not_recorded_says_so(open_page: OpenPage) -> None:
    """A market without a chart tells why it does not open, and what would help."""
    page = listed(open_page("markets"))
    search(page, "bnbusdt")
    row(page, "BNBUSDT").click()
    expect(page.get_by_test_id("toast")).to_contain_text("BNB/USDT is not recorded here")
    expect(page).to_have_url(re.compile("#markets$"))


def test_by_keyboard_alone(open_page: OpenPage, standin: StandIn) -> None:
    """Down from the search into the list, along it, and Enter opens the chart."""
    standin.ticking = False
    page = listed(open_page("markets"))
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    grid = page.get_by_role("grid", name="Markets")
    expect(grid).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(grid).to_have_attribute("aria-activedescendant", "market-0")
    page.keyboard.press("End")
    expect(page.locator(f"#market-{SOME - 1}")).to_have_attribute("aria-selected", "true")
    expect(page.locator(f"#market-{SOME - 1}")).to_be_in_viewport()
    page.keyboard.press("Home")
    page.keyboard.press("PageDown")
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowDown")
    expect(row(page, "ETHUSDT")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#ETHUSDT/1m$"))


def test_rows_do_not_jump_under_the_pointer(open_page: OpenPage, standin: StandIn) -> None:
    """While the pointer is on the list its order is held, prices go on; it settles afterwards."""
    standin.ticking = False
    page = listed(open_page("markets"))
    row(page, "BTCUSDT").hover()
    expect(page.get_by_test_id("source")).to_contain_text("Order held")
    time.sleep(3.5)
    push = [{"symbol": "PEPEUSDT", "quoteVolume": "9000000000000", "price": "0.0000200"}]
    standin.publish("tickers", push)
    expect(row(page, "PEPEUSDT").locator(".m-volume")).to_contain_text("9T")
    assert symbols(page)[0] == "BTCUSDT"
    page.get_by_role("searchbox", name="Search markets").hover()
    expect(page.get_by_test_id("source")).not_to_contain_text("Order held")
    standin.publish("tickers", push)
    expect(row(page, "PEPEUSDT")).to_have_attribute("data-index", "0")


def test_polling_while_the_hub_is_gone(open_page: OpenPage, standin: StandIn) -> None:
    """Without the hub the list is asked for over REST, and says so; with it, it is live again."""
    page = listed(open_page("markets"))
    standin.kill()
    expect(page.get_by_test_id("banner")).to_contain_text("Markets are asked for every 10 s")
    standin.listing.tick()
    price = row(page, "BTCUSDT").locator(".m-price")
    expect(price).not_to_have_text(price.inner_text())
    expect(page.get_by_test_id("source")).to_contain_text("polled")
    standin.revive()
    press(page, "Reconnect now")
    expect(page.get_by_test_id("source")).to_contain_text("Stream, live")
    changes(price)


@pytest.mark.parametrize(
    ("source", "age", "words"),
    [("rest", 7.2, "REST, 7 s old"), ("stream", 312.0, re.compile("Stale: 5 min old"))],
)
def test_where_prices_come_from(
    open_page: OpenPage, standin: StandIn, source: Any, age: float, words: Any
) -> None:
    """The fallback and old prices are named, with the age; old ones are faded."""
    standin.ticking = False
    standin.source, standin.markets_age = source, age
    page = listed(open_page("markets"))
    expect(page.locator(".source-from")).to_have_text(words)
    stale = str(age > 30).lower()
    expect(page.locator(".board")).to_have_attribute("data-dated", stale)


def test_loading_then_the_list(open_page: OpenPage, standin: StandIn) -> None:
    """While the list is on its way there is a skeleton."""
    standin.mode = "slow"
    standin.silent = True
    page = open_page("markets")
    expect(page.get_by_test_id("loading")).to_be_visible()
    listed(page)


def test_empty_until_the_first_prices(open_page: OpenPage, standin: StandIn) -> None:
    """Without any price the page says so, and fills by itself."""
    standin.mode = "empty"
    page = open_page("markets")
    expect(page.get_by_test_id("empty")).to_contain_text("No prices yet")
    standin.mode = "ok"
    expect(page.locator(".market").first).to_be_visible(timeout=20_000)


def test_error_with_retry(open_page: OpenPage, standin: StandIn) -> None:
    """A failed load shows the server's own words and a button that works."""
    standin.mode = "error"
    standin.silent = True
    page = open_page("markets")
    expect(page.get_by_test_id("error")).to_contain_text("Prices cannot be read")
    standin.mode = "ok"
    press(page, "Try again")
    listed(page)


def test_navigation(open_page: OpenPage) -> None:
    """The bar leads from page to page and back to the chart that was shown."""
    page = open_page("ETHUSDT/15m")
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    page.get_by_role("link", name="Markets").click()
    expect(listed(page)).to_have_title("Markets · OpenOutcry")
    expect(page.get_by_role("link", name="Markets")).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    page.get_by_role("link", name="Chart").click()
    expect(page).to_have_url(re.compile("#ETHUSDT/15m$"))
    expect(page.get_by_test_id("symbol")).to_have_text("ETH/USDT")
    page.go_back()
    listed(page)


def test_the_front_page_is_the_chart(open_page: OpenPage) -> None:
    """An address that names nothing opens a chart, as it always did."""
    page = open_page("")
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    expect(page).to_have_url(re.compile("#BTCUSDT/1m$"))


def test_a_page_that_cannot_be_fetched(open_page: OpenPage) -> None:
    """Code that is gone from the server is said to be, with a way out."""
    page = open_page()
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    page.route("**/assets/**", lambda route: route.abort())
    page.get_by_role("link", name="Markets").click()
    expect(page.get_by_test_id("page-error")).to_be_visible()
    page.unroute("**/assets/**")
    page.get_by_role("button", name="Reload").click()
    listed(page)


@pytest.mark.parametrize("size", [PHONE, NARROWEST])
def test_phone(open_page: OpenPage, standin: StandIn, size: tuple[int, int]) -> None:
    """On a phone a row is the market, its price and its change; everything fits and can be touched."""
    page = listed(open_page("markets", size))
    fits(page)
    first = page.locator(".market").first
    for part in ("m-symbol", "m-price", "m-change"):
        box = first.locator(f".{part}").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
    for part in ("m-high", "m-low", "m-trend"):
        expect(first.locator(f".{part}")).to_be_hidden()
    box = first.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    page.get_by_role("link", name="Chart").click()
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    fits(page)
    page.get_by_role("link", name="Markets").click()
    page.get_by_test_id("account").click()
    fits(page)
    page.keyboard.press("Escape")
    standin.kill()
    expect(page.get_by_test_id("banner")).to_be_visible()
    fits(page)


def test_everything_has_a_name(open_page: OpenPage) -> None:
    """Every control can be reached and is named for those who do not see it."""
    page = listed(open_page("markets"))
    for control in page.locator("button, a, input, select, [tabindex='0']").all():
        name = control.evaluate(
            "e => e.ariaLabel || e.textContent.trim() || e.getAttribute('aria-label')"
        )
        assert name, control.evaluate("e => e.outerHTML")


@three_thousand
def test_picture(open_page: OpenPage) -> None:
    """The page as it looks, for the documentation."""
    if not os.environ.get("OUTCRY_TEST_PICTURE"):
        pytest.skip("OUTCRY_TEST_PICTURE=1 renews docs/markets.png")
    page = listed(open_page("markets"))
    page.wait_for_timeout(3_000)
    page.screenshot(path=PICTURE)
