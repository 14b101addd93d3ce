"""A dashboard whose market data is for users only, in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from browser.test_admin import sign_in

if TYPE_CHECKING:
    from browser.conftest import OpenPage
    from browser.standin import StandIn

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)


@pytest.fixture
def closed(standin: StandIn) -> StandIn:
    """A server that tells strangers nothing of the market."""
    standin.public = False
    standin.launchpad.enabled = True
    return standin


def asked(standin: StandIn) -> list[str]:
    """Return what market data was asked for: over REST, and of the hub."""
    requests = [*standin.requests, *standin.launchpad.requests]
    return [*requests, *(m["channel"] for m in standin.told if m["type"] == "subscribe")]


def expect_chart(page: Page) -> None:
    """Wait for candles, a quote and trades."""
    expect(page.get_by_test_id("legend")).to_contain_text("O")
    expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "live")
    expect(page).to_have_title(re.compile(r"^[\d,.]+ BTC/USDT"))


@pytest.mark.parametrize("view", ["BTCUSDT/1m", "markets", "tokens", "token/0x00", "platform"])
def test_strangers_see_the_sheet_and_no_data(
    open_page: OpenPage, closed: StandIn, view: str
) -> None:
    """Nothing is asked for; the sheet is open by itself, and whoever closes it has a button."""
    page = open_page(view)
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    expect(page.get_by_test_id("market-gate")).to_be_visible()
    for name in ("legend", "markets", "tape", "tokens", "token", "platform"):
        expect(page.get_by_test_id(name)).to_have_count(0)
    assert asked(closed) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()


def test_the_chart_after_signing_in_and_out(open_page: OpenPage, closed: StandIn) -> None:
    """REST and hub are asked as the user; a reload goes on so; signing out takes the data away."""
    page = open_page("BTCUSDT/1m")
    sign_in(page, "bob")
    expect_chart(page)
    assert {m["type"] for m in closed.told} >= {"auth", "subscribe"}
    page.reload()
    expect_chart(page)
    page.get_by_role("button", name="Signed in as bob").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_test_id("market-gate")).to_be_visible()
    expect(page.get_by_test_id("legend")).to_have_count(0)
    # What was followed is followed no more.
    for _ in range(300):
        if not any(closed._sockets.values()):
            break
        page.wait_for_timeout(100)
    assert not any(closed._sockets.values())


def test_the_list_of_markets_after_signing_in(open_page: OpenPage, closed: StandIn) -> None:
    """The list comes over REST and is kept live by the hub, also after the hub was away."""
    page = open_page("markets")
    sign_in(page, "bob")
    expect(page.get_by_test_id("markets")).to_have_attribute("data-phase", "ready")
    closed.kill()
    expect(page.get_by_test_id("pill")).not_to_have_attribute("data-state", "live")
    closed.revive()
    expect(page.get_by_test_id("pill")).to_have_attribute("data-state", "live")
    before = len(closed.requests)
    for _ in range(300):
        page.wait_for_timeout(100)
        followed = [each for each in list(closed._sockets.values()) if "tickers" in each]
        if followed:
            break
    assert followed, "the hub is not asked for tickers as the user"
    assert len(closed.requests) - before <= 1


def test_tokens_after_signing_in(open_page: OpenPage, closed: StandIn) -> None:
    """The list and a token come over REST and the hub, asked for as the user."""
    page = open_page("tokens")
    sign_in(page, "bob")
    expect(page.get_by_test_id("tokens")).to_have_attribute("data-phase", "ready")
    page.locator(".table-row").first.click()
    expect(page.get_by_test_id("tape").locator("tbody tr").first).to_be_visible()
    expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
    expect(page.get_by_test_id("holders-table")).to_be_visible()
    channels = {m["channel"] for m in closed.told if m["type"] == "subscribe"}
    assert any(channel.startswith("token:0x") for channel in channels)


def test_a_session_that_is_over_closes_the_page(open_page: OpenPage, closed: StandIn) -> None:
    """An expired token is renewed unseen; an ended session brings the sheet back."""
    page = open_page("BTCUSDT/1m")
    sign_in(page, "bob")
    expect_chart(page)
    closed.office.expire()
    page.locator('[data-interval="5m"]').click()
    expect(page).to_have_url(re.compile("5m"))
    expect_chart(page)
    closed.office.revoke()
    page.locator('[data-interval="15m"]').click()
    expect(page.get_by_test_id("market-gate")).to_be_visible()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
