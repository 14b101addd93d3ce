"""The list of tokens in a real Chromium, where there are more than it can hold: all are searched."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import OpenPage
from browser.standin import StandIn

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)
LISTED = 500
TOKENS = 620
PHONE = (375, 812)


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """A scripted server with more tokens than a list of it has; nothing is traded."""
    server = StandIn(tokens=TOKENS)
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


def left_out(standin: StandIn) -> list[dict[str, str]]:
    """Return the tokens that are neither traded today nor among the newest."""
    tokens = [standin.launchpad.token(address) for address in standin.launchpad.addresses]
    newest = sorted(tokens, key=lambda token: -token["createdAt"])[:LISTED]
    return [each for each in tokens if each not in newest and float(each["volume24h"]) == 0]


def test_a_token_that_is_in_no_list(open_page: OpenPage, standin: StandIn) -> None:
    """It is found by symbol, by a word of its name, and by its address; Enter opens it."""
    page = listed(open_page("tokens"))
    token = left_out(standin)[0]
    source = page.get_by_test_id("source")
    expect(source).to_contain_text(re.compile(r"^\d+ tokens"))
    page.keyboard.press("/")
    page.keyboard.type(token["symbol"].lower())
    row = page.locator(f".table-row[data-key='{token['address']}']")
    expect(row).to_be_visible()
    expect(row.locator(".c-name")).to_contain_text(token["name"])
    expect(source).to_contain_text(re.compile(r"^1 found"))
    page.keyboard.press("Escape")
    expect(row).to_have_count(0)
    expect(source).to_contain_text(re.compile(r"^\d+ tokens"))
    page.keyboard.type(" ".join(token["name"].split()[1:]))
    expect(row).to_be_visible()
    page.get_by_role("searchbox").fill(token["address"][:12])
    expect(row).to_be_visible()
    expect(source).to_contain_text(re.compile(r"^1 found"))
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("grid", name="Tokens")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("token-head")).to_contain_text(token["name"])
    page.go_back()
    expect(row).to_be_visible()


def test_enter_before_the_answer(open_page: OpenPage, standin: StandIn) -> None:
    """Who types and presses Enter at once gets there as soon as the server has answered."""
    page = listed(open_page("tokens"))
    token = left_out(standin)[-1]
    page.keyboard.press("/")
    page.get_by_role("searchbox").fill(token["symbol"])
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("token-head")).to_contain_text(token["name"])


def test_nothing_found_anywhere(open_page: OpenPage) -> None:
    """It is said when the server has answered; so it is where there are more than it tells."""
    page = listed(open_page("tokens"))
    page.get_by_role("searchbox").fill("zzz")
    nothing = page.get_by_test_id("nothing-found")
    expect(nothing).to_contain_text("Of all tokens, the beginnings")
    page.get_by_role("button", name="Show all tokens").click()
    listed(page)
    page.get_by_role("searchbox").fill("o")
    expect(page.get_by_test_id("source")).to_contain_text("and more found")


def test_a_search_that_fails(open_page: OpenPage, standin: StandIn) -> None:
    """What is at hand is shown; that it is not all is said, and can be asked for again."""
    standin.launchpad.searching = False
    page = listed(open_page("tokens", PHONE))
    token = left_out(standin)[0]
    page.get_by_role("searchbox").fill(
        standin.launchpad.token(standin.launchpad.addresses[0])["name"]
    )
    expect(page.get_by_test_id("source")).to_contain_text("Others not searched")
    expect(page.locator(".table-row").first).to_be_visible()
    page.get_by_role("searchbox").fill(token["symbol"])
    expect(page.get_by_test_id("nothing-found")).to_contain_text("The search does not answer")
    assert page.locator("html").evaluate("e => e.scrollWidth <= e.clientWidth")
    standin.launchpad.searching = True
    page.get_by_role("button", name="Search again").click()
    expect(page.locator(f".table-row[data-key='{token['address']}']")).to_be_visible()


def test_what_the_address_asks_for(open_page: OpenPage, standin: StandIn) -> None:
    """A link with a search finds what was searched for; a list that has all asks for nothing."""
    token = left_out(standin)[0]
    page = open_page(f"tokens?q={token['symbol']}")
    expect(page.locator(f".table-row[data-key='{token['address']}']")).to_be_visible()
    asked = [path for path in standin.launchpad.requests if "/search" in path]
    assert asked == [f"/api/tokens/search?q={token['symbol']}&limit=50"]
