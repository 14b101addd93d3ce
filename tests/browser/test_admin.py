"""Signing in and the aggregator's page in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from browser.backoffice import PASSWORD
from browser.conftest import press

if TYPE_CHECKING:
    from browser.conftest import OpenPage
    from browser.standin import StandIn

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)


def sign_in(page: Page, name: str = "ada", password: str = PASSWORD) -> None:
    """Fill the sheet in and send it."""
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def admin(page: Page) -> Page:
    """Sign in as an administrator and wait for the figures."""
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    sign_in(page)
    expect(page.get_by_test_id("tiles")).to_be_visible()
    return page


def tile(page: Page, name: str) -> str:
    """Return a tile's figure."""
    return page.get_by_test_id(f"tile-{name}").inner_text()


def test_signing_in_and_out(open_page: OpenPage, standin: StandIn) -> None:
    """A name and a password bring up what belongs to the account; signing out ends all of it."""
    page = open_page("admin")
    expect(page.get_by_test_id("signed-out")).to_be_visible()
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    admin(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="Admin")).to_have_attribute("aria-current", "page")
    page.get_by_role("button", name="Signed in as ada").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_test_id("signed-out")).to_be_visible()
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    assert page.evaluate("sessionStorage.length") == 0
    assert not standin.office.refresh


def test_a_wrong_password_can_be_corrected(open_page: OpenPage) -> None:
    """The server's words are shown, what was typed stays, and the next attempt works."""
    page = open_page("markets")
    page.get_by_test_id("account").click()
    sign_in(page, password="wrong")  # noqa: S106 - it is
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("ada")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Signed in as ada")).to_be_visible()


def test_a_server_that_cannot_be_reached_is_said(open_page: OpenPage) -> None:
    """No answer is not a wrong password."""
    page = open_page("markets")
    page.route("**/api/v1/auth/**", lambda route: route.abort())
    page.get_by_test_id("account").click()
    sign_in(page)
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached.")


def test_a_reload_stays_signed_in_and_so_do_tabs_beside_it(
    open_page: OpenPage, standin: StandIn
) -> None:
    """The session outlives a reload and the other tabs share it; with the last tab it is gone.

    The access token is never stored.
    """
    page = admin(open_page("admin"))
    page.reload()
    expect(page.get_by_test_id("tiles")).to_be_visible()
    stored = page.evaluate("JSON.stringify({...sessionStorage, ...localStorage}) + document.cookie")
    assert not any(token in stored for token in standin.office.access)
    context, url = page.context, page.url
    other = context.new_page()
    other.goto(url)
    expect(other.get_by_test_id("tiles")).to_be_visible()
    page.close()
    other.close()
    later = context.new_page()
    later.goto(url)
    expect(later.get_by_test_id("signed-out")).to_be_visible()


def test_an_ended_token_is_renewed_and_an_ended_session_is_not(
    open_page: OpenPage, standin: StandIn
) -> None:
    """The page goes on when only the token ran out, and asks to sign in when the session is over."""
    page = admin(open_page("admin"))
    standin.office.expire()
    hits = tile(page, "hits")
    expect(page.get_by_test_id("tile-hits")).not_to_have_text(hits)
    standin.office.revoke()
    expect(page.get_by_test_id("signed-out")).to_be_visible()
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)


def test_a_user_is_told_that_it_is_for_admins(open_page: OpenPage) -> None:
    """Whoever is signed in but no admin learns that, and can change the account."""
    page = open_page("admin")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    sign_in(page, "bob")
    expect(page.get_by_test_id("forbidden")).to_contain_text("Admin only")
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    page.get_by_role("button", name="Change account").click()
    page.get_by_role("button", name="Sign out").click()
    admin(page)


def test_figures_are_live(open_page: OpenPage, standin: StandIn) -> None:
    """The tiles say what the server says and follow it; the charts grow."""
    page = admin(open_page("admin"))
    assert tile(page, "source") == "Stream"
    assert tile(page, "breaker") == "Closed"
    assert re.fullmatch(r"\ds", tile(page, "age"))
    assert tile(page, "cached") == "2"
    expect(page.get_by_test_id("entries")).to_contain_text("symbol:BTCUSDT")
    expect(page.get_by_test_id("chart-upstream")).to_have_attribute(
        "data-points", re.compile("[3-9]")
    )
    expect(page.get_by_test_id("chart-hits").get_by_role("img")).to_have_attribute(
        "aria-label", re.compile("Hits a second: now [67]")
    )
    standin.office.source, standin.office.breaker = "rest", "halfOpen"
    standin.office.last_error = "503 from upstream"
    standin.office.blocked = 11.2
    expect(page.get_by_test_id("tile-source")).to_have_text("REST")
    expect(page.get_by_test_id("tile-breaker")).to_have_text("Half open")
    expect(page.get_by_test_id("tiles")).to_contain_text("Stream heard 0 s ago. Changed 1 time.")
    expect(page.get_by_test_id("tiles")).to_contain_text("asked for a pause: 12 s left")
    expect(page.get_by_test_id("last-error")).to_contain_text("503 from upstream")


def test_clearing_asks_first_and_tells_what_went(open_page: OpenPage, standin: StandIn) -> None:
    """Nothing is cleared by one click; after the second the page says what was."""
    page = admin(open_page("admin"))
    page.get_by_role("button", name="Clear the cache").click()
    sheet = page.get_by_role("dialog", name="Clear the cache")
    expect(sheet).to_contain_text("2 entries go: tickers, symbol:BTCUSDT")
    page.keyboard.press("Escape")
    assert standin.office.cleared == 0
    page.get_by_role("button", name="Clear the cache").click()
    sheet.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_test_id("cleared")).to_have_text(
        "Cleared 2 entries: tickers (3,012 symbols), symbol:BTCUSDT (1 symbol)."
    )
    expect(sheet).to_have_count(0)
    expect(page.get_by_text("The cache is empty.")).to_be_visible()
    assert standin.office.cleared == 1


def test_old_figures_stay_and_say_so(open_page: OpenPage, standin: StandIn) -> None:
    """When the server stops answering, the last figures are faded, not gone, and come back to life."""
    page = admin(open_page("admin"))
    standin.office.broken = True
    expect(page.get_by_test_id("problem")).to_contain_text("The cache does not answer")
    expect(page.locator(".admin-body")).to_have_attribute("data-dated", "true")
    page.get_by_role("button", name="Clear the cache").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("does not answer")
    standin.office.broken = False
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("problem")).to_have_count(0)


def test_nothing_to_show_is_an_error_with_retry(open_page: OpenPage, standin: StandIn) -> None:
    """Without any figures there is the reason and a button."""
    standin.office.broken = True
    page = open_page("admin")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    sign_in(page)
    expect(page.get_by_test_id("error")).to_contain_text("The cache does not answer")
    standin.office.broken = False
    press(page, "Try again")
    expect(page.get_by_test_id("tiles")).to_be_visible()


@pytest.mark.parametrize("size", [(375, 812), (320, 640)])
def test_phone(open_page: OpenPage, size: tuple[int, int]) -> None:
    """On a phone everything fits the width, the sheets too."""
    page = open_page("admin", size)
    width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(width)
    admin(page)
    assert page.evaluate(width)
    page.get_by_role("button", name="Clear the cache").click()
    assert page.evaluate(width)
    page.keyboard.press("Escape")
    page.get_by_test_id("account").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.evaluate(width)


def test_everything_has_a_name(open_page: OpenPage) -> None:
    """Every control is named for those who do not see it."""
    page = admin(open_page("admin"))
    for control in page.locator("button, a, input, meter, [tabindex='0']").all():
        assert control.evaluate("e => e.ariaLabel || e.textContent.trim()")
