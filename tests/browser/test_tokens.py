"""The pages of tokens in a real Chromium: the list, one token, the platform; live, and when not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.conftest import OpenPage, press
from browser.standin import StandIn

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)
PHONE = (375, 812)
NARROWEST = (320, 640)
TABLET = (1000, 800)
MINUS = "\N{MINUS SIGN}"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """A scripted server that follows a chain; nothing is traded unless the test does."""
    server = StandIn()
    server.launchpad.enabled = True
    server.ticking = False
    server.start()
    yield server
    server.stop()


def listed(page: Page) -> Page:
    """Wait until the list is there."""
    expect(page.get_by_test_id("tokens")).to_have_attribute("data-phase", "ready")
    expect(page.locator(".table-row").first).to_be_visible()
    return page


def opened(page: Page) -> Page:
    """Wait until a token's page is there, with candles and trades."""
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    expect(page.get_by_test_id("tape").locator("tbody tr").first).to_be_visible()
    return page


def row(page: Page, address: str) -> Locator:
    """Return a token's row in the list."""
    return page.locator(f".table-row[data-key='{address}']")


def names(page: Page) -> list[str]:
    """Return the names in the list, from above."""
    read = "rows => rows.map(r => [+r.dataset.index, r.querySelector('.c-name b').textContent])"
    return [name for _, name in sorted(page.locator(".table-row").evaluate_all(read))]


def fits(page: Page) -> None:
    """Check that nothing sticks out to the side."""
    for element in page.locator("html, .admin, .board, .table").all():
        assert element.evaluate("e => e.scrollWidth <= e.clientWidth")
    for panel in page.locator(".panel").all():
        assert panel.evaluate("e => e.scrollWidth <= e.clientWidth")


def wanted(standin: StandIn, key: str, *, least: bool = False) -> list[str]:
    """Return the names of all tokens in the order of a figure, the largest first."""
    tokens = [standin.launchpad.token(address) for address in standin.launchpad.addresses]
    return [t["name"] for t in sorted(tokens, key=lambda t: float(t[key] or 0), reverse=not least)]


def test_the_list_has_every_token_and_its_figures(open_page: OpenPage, standin: StandIn) -> None:
    """All tokens are there, the one with the most volume of the day first, with what is known."""
    page = listed(open_page("tokens"))
    expect(page).to_have_title("Tokens · OpenOutcry")
    expect(page.get_by_test_id("source")).to_contain_text("24 tokens")
    assert names(page)[:10] == wanted(standin, "volume24h")[:10]
    address = max(
        standin.launchpad.addresses, key=lambda a: float(standin.launchpad.token(a)["volume24h"])
    )
    token = standin.launchpad.token(address)
    first = row(page, address)
    expect(first.locator(".c-rank")).to_have_text("1")
    expect(first.locator(".c-name")).to_contain_text(token["symbol"])
    expect(first.locator(".c-holders")).to_have_text(f"{token['holderCount']:,}")
    expect(first.locator(".c-volume24h [title]")).to_have_attribute(
        "title", re.compile(r"^[\d,.]+ ETH$")
    )
    shown = float(first.locator(".c-volume24h").inner_text().split()[0].replace(",", ""))
    assert shown == pytest.approx(float(token["volume24h"]), rel=0.01)


def test_prices_of_any_size_can_be_read_and_heard(open_page: OpenPage, standin: StandIn) -> None:
    """Zeros that nobody could count are counted; who hears the page hears the number itself."""
    page = listed(open_page("tokens"))
    address = standin.launchpad.addresses[0]
    price = row(page, address).locator(".c-price")
    expect(price.locator("[aria-hidden]")).to_have_text(re.compile(r"^0\.0\d+$"))
    heard = float(price.locator(".sr-only").inner_text())
    assert heard == pytest.approx(float(standin.launchpad.token(address)["currentPrice"]), rel=1e-4)


@pytest.mark.parametrize(
    ("head", "key"),
    [("Market cap", "marketCap"), ("Holders", "holderCount"), ("7 d volume", "volume7d")],
)
def test_sorting(open_page: OpenPage, standin: StandIn, head: str, key: str) -> None:
    """A click sorts from the largest, another from the smallest; the address remembers it."""
    page = listed(open_page("tokens"))
    column = page.get_by_role("columnheader", name=head)
    column.get_by_role("button").click()
    expect(column).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".table-row[data-index='0'] .c-name b")).to_have_text(
        wanted(standin, key)[0]
    )
    assert names(page)[:8] == wanted(standin, key)[:8]
    column.get_by_role("button").click()
    expect(column).to_have_attribute("aria-sort", "ascending")
    page.reload()
    listed(page)
    expect(column).to_have_attribute("aria-sort", "ascending")
    figures = wanted(standin, key, least=True)
    expect(page.locator(".table-row[data-index='0'] .c-name b")).to_have_text(figures[0])


def test_newest_first(open_page: OpenPage, standin: StandIn) -> None:
    """The newest are one press away."""
    page = listed(open_page("tokens"))
    page.get_by_role("button", name="Newest").click()
    newest = wanted(standin, "createdAt")[0]
    expect(page.locator(".table-row[data-index='0'] .c-name b")).to_have_text(newest)
    expect(page).to_have_url(re.compile("sort=age"))


def test_search_by_name_symbol_and_address(open_page: OpenPage, standin: StandIn) -> None:
    """What is typed narrows the list at once; Enter opens the first; Escape clears."""
    page = listed(open_page("tokens"))
    page.keyboard.press("/")
    page.keyboard.type("otter")
    expect(page.get_by_test_id("source")).to_contain_text("1 of 24 tokens")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("source")).to_contain_text(re.compile("^24 tokens"))
    address = standin.launchpad.addresses[3]
    page.keyboard.type(address)
    expect(row(page, address)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#token/{address}$"))
    expect(page.get_by_test_id("token-head")).to_contain_text(
        standin.launchpad.token(address)["name"]
    )
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value(address)


def test_nothing_found(open_page: OpenPage) -> None:
    """A search without a hit says so; an address that is not listed can be looked up."""
    page = listed(open_page("tokens"))
    page.get_by_role("searchbox").fill("zzz")
    expect(page.get_by_test_id("nothing-found")).to_contain_text("No token matches “zzz”")
    page.get_by_role("searchbox").fill("0x" + "12" * 20)
    page.get_by_role("link", name="Look it up").click()
    expect(page.get_by_test_id("missing")).to_contain_text("There is no token 0x1212")
    page.get_by_role("link", name="All tokens").click()
    listed(page)


def test_a_trade_moves_the_list(open_page: OpenPage, standin: StandIn) -> None:
    """What the hub pushes is shown without a reload: volume, trades, and the place in the list."""
    page = listed(open_page("tokens"))
    last = standin.launchpad.addresses[-1]
    page.get_by_role("searchbox").fill(standin.launchpad.token(last)["name"])
    trades = standin.launchpad.token(last)["tradeCount"]
    standin.trade(last, eth=5_000)
    # For less than a second: it has to be looked for at once.
    page.wait_for_selector(f"[data-key='{last}'] .c-price :is(.flash-up, .flash-down)")
    expect(row(page, last).locator(".c-trades")).to_have_text(f"{trades + 1:,}")
    expect(page.locator(".source-from")).to_have_text("Live")
    page.get_by_role("searchbox").fill("")
    expect(row(page, last)).to_have_attribute("data-index", "0")


def test_the_order_is_held_under_the_pointer(open_page: OpenPage, standin: StandIn) -> None:
    """Rows do not jump away from a pointer; figures go on."""
    page = listed(open_page("tokens"))
    first, last = names(page)[0], standin.launchpad.addresses[-1]
    page.locator(".table-row[data-index='0']").hover()
    expect(page.get_by_test_id("source")).to_contain_text("Order held")
    page.wait_for_timeout(3_200)
    standin.trade(last, eth=9_000)
    page.wait_for_timeout(400)
    assert names(page)[0] == first
    page.get_by_role("searchbox").hover()
    standin.trade(last, eth=1)
    expect(row(page, last)).to_have_attribute("data-index", "0")


def test_the_list_by_keyboard(open_page: OpenPage) -> None:
    """Down from the search into the list, along it, and Enter opens the token."""
    page = listed(open_page("tokens"))
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("grid", name="Tokens")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = names(page)[1]
    expect(page.locator(".table-row[data-index='1']")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("token-head")).to_contain_text(second)
    page.keyboard.press("g")
    page.keyboard.press("v")
    expect(page.get_by_test_id("platform")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("t")
    listed(page)


def test_a_token_and_its_figures(open_page: OpenPage, standin: StandIn) -> None:
    """One page has the token's name, price, figures, curve, candles, trades, holders and volumes."""
    address = standin.launchpad.addresses[0]
    page = opened(open_page(f"token/{address}"))
    token = standin.launchpad.token(address)
    expect(page).to_have_title(re.compile(f"{token['symbol']} · OpenOutcry$"))
    expect(page.get_by_test_id("token-head")).to_contain_text(token["name"])
    expect(page.get_by_test_id("holder-count")).to_have_text(f"{token['holderCount']:,}")
    expect(page.get_by_test_id("trade-count")).to_have_text(f"{token['tradeCount']:,}")
    expect(page.get_by_test_id("change")).to_have_text(re.compile(rf"^[+{MINUS}]?[\d,.]+%$"))
    expect(page.get_by_test_id("curve")).to_contain_text("ETH")
    progress = page.get_by_test_id("curve").get_by_role("progressbar")
    expect(progress).to_have_attribute("aria-valuenow", str(token["progressPercent"]))
    expect(page.get_by_test_id("tape").locator("tbody tr")).to_have_count(50)
    expect(page.get_by_test_id("hours-token")).to_have_attribute("data-hours", "24")
    expect(page.get_by_test_id("sizes").locator("tbody tr")).to_have_count(4)
    assert page.locator(".plot canvas").count() > 0


def test_trades_as_they_happen(open_page: OpenPage, standin: StandIn) -> None:
    """A trade is on top the moment the hub tells of it, with its side; figures and candle follow."""
    address = standin.launchpad.addresses[2]
    page = opened(open_page(f"token/{address}"))
    count = standin.launchpad.token(address)["tradeCount"]
    before = page.get_by_test_id("volume").inner_text()
    made = standin.trade(address, "sell", 3.75)
    top = page.get_by_test_id("tape").locator("tbody tr").first
    expect(top).to_have_attribute("data-tx", made["txHash"])
    expect(top).to_have_attribute("data-side", "sell")
    expect(top).to_have_attribute("data-new", "true")
    expect(top.locator("td").first).to_have_class("down")
    expect(top.locator("td").first).to_contain_text("3.75")
    expect(page.get_by_test_id("trade-count")).to_have_text(f"{count + 1:,}")
    expect(page.get_by_test_id("volume")).not_to_have_text(before)


def test_older_trades(open_page: OpenPage, standin: StandIn) -> None:
    """What lies before the newest fifty is one press away; new ones still come on top."""
    address = standin.launchpad.addresses[2]
    page = opened(open_page(f"token/{address}"))
    rows = page.get_by_test_id("tape").locator("tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Older trades").click()
    expect(rows).to_have_count(60)
    expect(page.get_by_role("button", name="Older trades")).to_have_count(0)
    made = standin.trade(address)
    expect(rows).to_have_count(61)
    expect(rows.first).to_have_attribute("data-tx", made["txHash"])
    expect(page.locator("[data-new=true]")).to_have_count(1)


def test_what_a_chain_takes_back_is_taken_off(open_page: OpenPage, standin: StandIn) -> None:
    """Trades of a block that never was leave the page, and the candle forgets them."""
    address = standin.launchpad.addresses[2]
    page = opened(open_page(f"token/{address}"))
    settled = page.get_by_test_id("volume").inner_text()
    standin.trade(address, "buy", 40)
    kept = page.get_by_test_id("tape").locator("tbody tr")
    expect(kept.first.locator("td").first).to_contain_text("40")
    expect(page.get_by_test_id("volume")).not_to_have_text(settled)
    standin.undo(address)
    expect(kept.first.locator("td").first).not_to_contain_text("40")
    drawn = page.get_by_test_id("volume")
    expect(drawn).not_to_contain_text(re.compile(r"^4\d[.]"))


def test_intervals(open_page: OpenPage, standin: StandIn) -> None:
    """Timeframes are chosen by press and by key; the address remembers them."""
    address = standin.launchpad.addresses[0]
    page = opened(open_page(f"token/{address}"))
    page.locator('[data-interval="1h"]').click()
    expect(page).to_have_url(re.compile(f"{address}/1h$"))
    opened(page)
    page.locator("h2").first.click()
    page.keyboard.press("[")
    expect(page).to_have_url(re.compile(f"{address}/30m$"))
    page.reload()
    opened(page)
    expect(page.get_by_role("group", name=re.compile("30 minutes a candle"))).to_be_visible()
    expect(page.locator('[data-interval="1s"]')).to_have_count(0)


def test_from_token_to_token(open_page: OpenPage, standin: StandIn) -> None:
    """Another address shows another token, and nothing of the first is followed any more."""
    first, second = standin.launchpad.addresses[:2]
    page = opened(open_page(f"token/{first}"))
    page.evaluate(f"location.hash = '#token/{second}'")
    expect(page.get_by_test_id("token")).to_have_attribute("data-address", second)
    expect(page.get_by_test_id("token-head")).to_contain_text(
        standin.launchpad.token(second)["name"]
    )
    opened(page)
    for _ in range(300):
        (channels,) = standin._sockets.values()
        if f"token:{second}" in channels and f"token:{first}" not in channels:
            break
        page.wait_for_timeout(100)
    assert f"token:{second}" in channels
    assert f"token:{first}" not in channels


def test_holders_page_by_page(open_page: OpenPage, standin: StandIn) -> None:
    """The largest are shown with their shares, others when they are asked for."""
    address = standin.launchpad.addresses[0]
    page = opened(open_page(f"token/{address}"))
    rows = page.get_by_test_id("holders-table").locator("tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.nth(2)).to_contain_text("Creator")
    expect(page.get_by_role("img", name=re.compile("The 10 largest hold"))).to_be_visible()
    page.get_by_role("button", name=re.compile("Show more of")).click()
    expect(rows).to_have_count(60)


def test_volumes_by_hour_can_be_read_out(open_page: OpenPage, standin: StandIn) -> None:
    """Arrow keys walk the hours and each is told; a week is one press away."""
    page = opened(open_page(f"token/{standin.launchpad.addresses[0]}"))
    hours = page.get_by_test_id("hours-token")
    hours.get_by_role("group").focus()
    page.keyboard.press("ArrowLeft")
    expect(hours.locator("figcaption")).to_contain_text("bought")
    last = hours.locator("figcaption").inner_text()
    page.keyboard.press("ArrowLeft")
    expect(hours.locator("figcaption")).not_to_have_text(last)
    page.keyboard.press("Escape")
    page.get_by_test_id("spread").get_by_role("button", name="7 d").click()
    expect(hours).to_have_attribute("data-hours", "168")


def test_an_unknown_token_says_so(open_page: OpenPage) -> None:
    """An address that is no token's gets the server's words and a way on."""
    page = open_page("token/0x" + "00" * 20)
    expect(page.get_by_test_id("missing")).to_contain_text("There is no such token")


def test_a_token_while_the_hub_is_gone(open_page: OpenPage, standin: StandIn) -> None:
    """REST shows what the hub cannot, and the page says so; afterwards it is live again."""
    address = standin.launchpad.addresses[0]
    standin.kill()
    page = opened(open_page(f"token/{address}"))
    expect(page.get_by_test_id("banner")).to_contain_text("asked for every 10 s")
    made = standin.launchpad.trade(address, "buy", 2)
    top = page.get_by_test_id("tape").locator("tbody tr").first
    expect(top).to_have_attribute("data-tx", made["trades"][0]["txHash"])
    standin.revive()
    press(page, "Reconnect now")
    expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "live")
    made = standin.trade(address, "sell", 1)
    expect(top).to_have_attribute("data-tx", made["txHash"])


def test_the_platform(open_page: OpenPage, standin: StandIn) -> None:
    """Volumes of all tokens, every hour of the week, the most traded and the youngest."""
    page = open_page("platform")
    expect(page).to_have_title("Platform · OpenOutcry")
    expect(page.get_by_test_id("tile-tokens")).to_have_text("24")
    expect(page.get_by_test_id("hours-platform")).to_have_attribute("data-hours", "168")
    busiest = page.get_by_test_id("busiest").locator("tbody tr")
    expect(busiest).to_have_count(10)
    expect(busiest.first).to_contain_text(wanted(standin, "volume24h")[0])
    youngest = page.get_by_test_id("youngest").locator("tbody tr")
    expect(youngest.first).to_contain_text(wanted(standin, "createdAt")[0])
    busiest.first.get_by_role("link").click()
    expect(page.get_by_test_id("token-head")).to_contain_text(wanted(standin, "volume24h")[0])
    expect(page.get_by_role("link", name="Tokens", exact=True)).to_have_attribute(
        "aria-current", "page"
    )


@pytest.mark.parametrize("view", ["tokens", "token", "platform"])
def test_error_with_retry(open_page: OpenPage, standin: StandIn, view: str) -> None:
    """A failed load shows the server's own words and a button that works."""
    standin.launchpad.mode = "error"
    standin.silent = True
    where = f"token/{standin.launchpad.addresses[0]}" if view == "token" else view
    page = open_page(where)
    expect(page.get_by_test_id("error").first).to_contain_text("The store does not answer")
    standin.launchpad.mode = "ok"
    press(page, "Try again")
    expect(page.get_by_test_id("error")).to_have_count(0)
    expect(page.get_by_test_id(view)).to_have_attribute("aria-busy", "false")


@pytest.mark.parametrize("view", ["tokens", "token", "platform"])
def test_loading(open_page: OpenPage, standin: StandIn, view: str) -> None:
    """While the answer is on its way there is an outline of what is to come."""
    standin.launchpad.mode = "slow"
    standin.silent = True
    where = f"token/{standin.launchpad.addresses[0]}" if view == "token" else view
    page = open_page(where)
    expect(page.get_by_test_id("loading").first).to_be_visible()
    expect(page.get_by_test_id(view)).to_have_attribute("aria-busy", "false")


def test_empty_until_the_first_token(open_page: OpenPage, standin: StandIn) -> None:
    """Without a token the list says so, and fills by itself; so does the platform."""
    standin.launchpad.mode = "empty"
    page = open_page("tokens")
    expect(page.get_by_test_id("empty")).to_contain_text("No tokens yet")
    standin.launchpad.mode = "ok"
    standin.trade(standin.launchpad.addresses[0])
    expect(page.locator(".table-row").first).to_be_visible()


def test_hidden_where_no_chain_is_followed(open_page: OpenPage, standin: StandIn) -> None:
    """Without a chain there is no link, nothing is asked for, and the address says what is missing."""
    standin.launchpad.enabled = False
    page = open_page("tokens")
    expect(page.get_by_test_id("no-chain")).to_contain_text("OUTCRY_CHAIN_RPC_URLS")
    expect(page.get_by_role("link", name="Tokens", exact=True)).to_have_count(0)
    assert standin.launchpad.requests == []


@pytest.mark.parametrize("size", [TABLET, PHONE, NARROWEST])
def test_sizes(open_page: OpenPage, size: tuple[int, int]) -> None:
    """Everything fits on a tablet and on phones, and can be touched."""
    page = listed(open_page("tokens", size))
    fits(page)
    first = page.locator(".table-row").first
    for part in ("c-name", "c-volume24h", "c-progress"):
        box = first.locator(f".{part}").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
    first.click()
    opened(page)
    fits(page)
    expect(page.get_by_test_id("sizes")).to_be_visible()
    fits(page)
    page.evaluate("location.hash = '#platform'")
    expect(page.get_by_test_id("busiest")).to_be_visible()
    fits(page)


@pytest.mark.parametrize("view", ["tokens", "token", "platform"])
def test_everything_has_a_name(open_page: OpenPage, standin: StandIn, view: str) -> None:
    """Every control can be reached and is named for those who do not see it."""
    where = f"token/{standin.launchpad.addresses[0]}" if view == "token" else view
    page = open_page(where)
    expect(page.get_by_test_id(view)).to_have_attribute("aria-busy", "false")
    if view == "token":
        opened(page)
    for control in page.locator("button, a, input, select, [tabindex='0']").all():
        name = control.evaluate(
            "e => e.ariaLabel || e.textContent.trim() || e.getAttribute('aria-label')"
            " || e.getAttribute('aria-labelledby')"
        )
        assert name, control.evaluate("e => e.outerHTML")


def test_pictures(open_page: OpenPage, standin: StandIn) -> None:
    """The pages as they look, for the documentation."""
    if not os.environ.get("OUTCRY_TEST_PICTURE"):
        pytest.skip("OUTCRY_TEST_PICTURE=1 renews docs/tokens.png, token.png and platform.png")
    standin.ticking = True
    page = opened(open_page(f"token/{standin.launchpad.addresses[0]}"))
    page.wait_for_timeout(4_000)
    page.screenshot(path=DOCS / "token.png")
    for view in ("tokens", "platform"):
        page.evaluate(f"location.hash = '#{view}'")
        expect(page.get_by_test_id(view)).to_have_attribute("aria-busy", "false")
        page.wait_for_timeout(1_500)
        page.screenshot(path=DOCS / f"{view}.png")
