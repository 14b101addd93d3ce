"""The account page, paper funds and real money by consent, in a real browser against the stand-in."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from browser.backoffice import api_key, session
from browser.conftest import OpenPage, press
from browser.floor import furnish
from browser.standin import StandIn
from browser.test_trading import PHONE, another_tab, fill_form, row, sign_in, switch

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)

CURL = "curl/8.5.0"


def open_account(open_page: OpenPage, size: tuple[int, int] = (1280, 800)) -> Page:
    """Sign in on the account page."""
    page = open_page("account", size)
    sign_in(page)
    expect(page.get_by_test_id("profile")).to_contain_text("bob")
    return page


def test_sessions_are_listed_and_ended(open_page: OpenPage, standin: StandIn) -> None:
    """Each session says what it is; another is ended by itself, all of them after a question."""
    standin.office.sessions = [session("x", CURL, used=2)]
    page = open_account(open_page)
    sessions = page.get_by_test_id("sessions")
    expect(sessions.locator("li.row")).to_have_count(2)
    expect(sessions.locator("li.row").first).to_contain_text("This one")
    expect(sessions.locator("li.row").first.get_by_role("button")).to_have_count(0)
    sessions.get_by_role("button", name="End the session of curl").click()
    expect(sessions.locator("li.row")).to_have_count(1)
    other = another_tab(page, "account")
    expect(other.get_by_test_id("profile")).to_contain_text("bob")
    sessions.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("button", name="Stay signed in")).to_be_focused()
    page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    for tab in (page, other):
        expect(tab.get_by_test_id("signed-out")).to_be_visible()
    assert standin.office.access == {}


def test_another_password(open_page: OpenPage, standin: StandIn) -> None:
    """It takes the present one; each refusal stands at its field; other sessions end."""
    standin.office.sessions = [session("x", CURL)]
    page = open_account(open_page)
    page.get_by_role("button", name="Change password").click()
    current, fresh, again = (
        page.locator(f"[name={name}]") for name in ("current", "next", "again")
    )
    expect(current).to_be_focused()
    for old, new, problem, field in (
        ("not it at all", "short", "At least 10 characters", fresh),
        ("not it at all", "a better one", "The current password is wrong", current),
        (standin.office.password, "password1234", "among those that are tried first", fresh),
    ):
        current.fill(old)
        fresh.fill(new)
        again.fill(new)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text(problem)
        expect(field).to_be_focused()
    fresh.fill("a better one")
    again.fill("a better one")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toast")).to_contain_text("1 other session ended")
    expect(page.get_by_test_id("sessions").locator("li.row")).to_have_count(1)
    assert standin.office.password == "a better one"  # noqa: S105 - of a made-up person


def test_api_keys_from_making_to_revoking(open_page: OpenPage, standin: StandIn) -> None:
    """A key is made with scopes and an end, shown this once, copied, used by name, and revoked."""
    standin.office.keys = [
        api_key("old", "old laptop", ["read"], ended=3, used=9),
        api_key("bot", "price bot", ["read"], ended=None, used=1),
    ]
    page = open_account(open_page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keys = page.get_by_test_id("api-keys")
    expect(keys.locator("li.row")).to_have_count(1)
    keys.get_by_role("button", name="1 that is revoked or expired").click()
    expect(keys.locator("li.row").filter(has_text="old laptop")).to_contain_text("expired")

    keys.get_by_role("button", name="New key").click()
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("[name=name]")).to_be_focused()
    expect(page.locator("[name=name]")).to_have_attribute("aria-invalid", "true")
    page.locator("[name=name]").fill("cellar")
    page.get_by_label("Trade", exact=True).check()
    expect(page.get_by_label("Admin", exact=True)).to_have_count(0)
    page.get_by_label("It is good for").select_option("365")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_test_id("copy-value")).to_have_text("ok_made2_secret")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "ok_made2_secret"
    page.get_by_role("button", name="Done").click()
    made = keys.locator("li.row").filter(has_text="cellar")
    expect(made).to_contain_text("Trade")
    expect(page.get_by_text("ok_made2_secret")).to_have_count(0)

    made.get_by_role("button", name="Revoke cellar").click()
    page.get_by_role("button", name="Keep it").click()
    assert standin.office.keys[0]["revokedAt"] is None
    made.get_by_role("button", name="Revoke cellar").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(made).to_contain_text("revoked")
    expect(made.get_by_role("button")).to_have_count(0)
    assert standin.office.keys[0]["revokedAt"] is not None


def test_exchange_keys_only_where_trading_is_live(open_page: OpenPage, standin: StandIn) -> None:
    """Nothing is asked about exchanges where live trading is off; where it is on, with consent."""
    page = open_account(open_page)
    expect(page.get_by_test_id("api-keys").get_by_test_id("empty")).to_be_visible()
    expect(page.get_by_test_id("exchange-keys")).to_have_count(0)
    standin.live_exchanges = ["binance"]
    page.reload()
    part = page.get_by_test_id("exchange-keys")
    expect(part.get_by_test_id("empty")).to_be_visible()
    part.get_by_role("button", name="Add a key").click()
    page.locator("[name=api_key]").fill("a-key-that-is-long-enough")
    page.locator("[name=secret]").fill("hush")
    page.get_by_role("button", name="Store the key").click()
    expect(page.get_by_label("This key may not withdraw")).to_be_focused()
    assert standin.office.exchange_keys == []
    page.get_by_label("This key may not withdraw").check()
    page.get_by_role("button", name="Store the key").click()
    expect(part.locator("li.row")).to_contain_text("key ends in ough")
    expect(part.get_by_role("button", name="Add a key")).to_have_count(0)
    part.get_by_role("button", name="Remove the key of Binance").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(part.get_by_test_id("empty")).to_be_visible()


def test_account_that_cannot_be_asked(open_page: OpenPage, standin: StandIn) -> None:
    """Each part says by itself that it could not be loaded, and can be tried again."""
    standin.office.account_broken = True
    page = open_account(open_page, PHONE)
    expect(page.get_by_test_id("error")).to_have_count(2)
    expect(page.get_by_test_id("empty")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    standin.office.account_broken = False
    page.get_by_test_id("sessions").get_by_role("button", name="Try again").click()
    expect(page.get_by_test_id("sessions").locator("li.row")).to_have_count(1)


def test_funds_go_in_and_out(open_page: OpenPage, standin: StandIn) -> None:
    """Paper money is put in to the last digit, in every tab; what is wrong is not sent."""
    page = open_page("portfolio")
    sign_in(page)
    other = another_tab(page, "portfolio")
    balance = other.get_by_test_id("balances").locator("tr").filter(has_text="USDT")
    expect(balance.last).to_contain_text("100,000.00")
    page.get_by_role("button", name="Add or take out funds").click()
    amount = page.locator("[name=amount]")
    expect(amount).to_be_focused()
    amount.fill("12.5.1")
    page.keyboard.press("Enter")
    expect(page.locator("#p-amount")).to_be_visible()
    assert standin.floor.funded == []
    amount.fill("1000.500000000000000001")
    expect(page.get_by_test_id("after")).to_contain_text("101,000.500000000000000001")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toast")).to_contain_text("1,000.500000000000000001 USDT added")
    expect(balance.last).to_contain_text("101,000.50")

    page.bring_to_front()
    page.get_by_role("button", name="Add or take out funds").click()
    page.get_by_label("Take out", exact=True).check()
    amount.fill("999999")
    page.keyboard.press("Enter")
    expect(page.locator("#p-amount")).to_contain_text("More than is free")
    page.get_by_label("Asset").select_option("BTC")
    page.get_by_role("button", name="Take out all that is free").click()
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Take out", exact=True).click()
    expect(other.get_by_test_id("balances").get_by_text("BTC")).to_have_count(0)
    assert standin.floor.funded == [
        {"asset": "USDT", "amount": "1000.500000000000000001"},
        {"asset": "BTC", "amount": "-1"},
    ]


def test_real_money_only_by_consent(open_page: OpenPage, standin: StandIn) -> None:
    """A live bot needs a key, a tick and a start of its own, carries a badge, and so does its copy."""
    standin.live_exchanges = ["binance"]
    standin.on_floor(furnish)
    page = open_page("bots")
    sign_in(page)
    page.get_by_role("button", name="New bot").click()
    expect(page.get_by_test_id("money")).to_contain_text("first store a key of Binance")
    expect(page.get_by_label("Real money at Binance")).to_have_count(0)
    page.keyboard.press("Escape")
    key = {"id": 1, "exchange": "binance", "name": "n", "hint": "", "created_at": ""}
    standin.office.exchange_keys = [key]

    page.get_by_role("button", name="New bot").click()
    fill_form(page, name="For real", quantity="1", buy_price="1", sell_price="2")
    page.get_by_label("Real money at Binance", exact=True).check()
    page.get_by_role("button", name="Create", exact=True).click()
    tick = page.get_by_label("Yes, trade with my real money at Binance")
    expect(tick).to_be_focused()
    tick.check()
    page.get_by_role("button", name="Create", exact=True).click()
    expect(row(page, "For real")).to_contain_text("Real money")
    made = list(standin.floor.bots.values())[-1]
    assert (made["exchange"], made["leverage"]) == ("binance", "1")
    expect(row(page, "Night scalper")).not_to_contain_text("Real money")

    switch(page, "For real").click()
    page.get_by_role("button", name="Leave it").click()
    expect(switch(page, "For real")).to_have_attribute("aria-checked", "false")
    switch(page, "For real").click()
    page.get_by_role("dialog").get_by_role("button", name="Start", exact=True).click()
    expect(switch(page, "For real")).to_have_attribute("aria-checked", "true")

    row(page, "For real").get_by_role("button", name="Clone").click()
    clone = page.get_by_role("dialog").get_by_role("button", name="Clone", exact=True)
    clone.click()
    expect(page.get_by_role("dialog")).to_contain_text("Tick this to go on")
    page.get_by_label("Yes, with my real money at Binance").check()
    clone.click()
    expect(row(page, "For real copy")).to_contain_text("Real money")


def test_kill_switch_says_what_it_ended(open_page: OpenPage, standin: StandIn) -> None:
    """Whoever pulls it hears how much it stopped; every page of every tab shows that it is on."""
    standin.on_floor(furnish)
    page = open_page("bots")
    sign_in(page)
    other = another_tab(page, "portfolio")
    expect(other.get_by_test_id("tiles")).to_be_visible()
    page.get_by_role("button", name="Stop all").click()
    expect(page.get_by_role("dialog")).to_contain_text("3 running bots and cancels 2 open orders")
    page.get_by_role("dialog").get_by_role("button", name="Stop all").click()
    expect(page.get_by_test_id("toast")).to_contain_text("3 bots stopped, 2 orders cancelled")
    expect(other.get_by_test_id("killed")).to_be_visible()
    expect(other.get_by_test_id("toast")).to_contain_text("3 bots stopped")
    for view in ("orders", "activity", "bots"):
        other.evaluate(f"location.hash = '#{view}'")
        expect(other.get_by_test_id("killed")).to_be_visible()
    other.get_by_role("button", name="Reset it").click()
    for tab in (page, other):
        expect(tab.get_by_test_id("killed")).to_have_count(0)


def test_without_the_hub_rest_is_asked(open_page: OpenPage, standin: StandIn) -> None:
    """A page that opens while the hub is gone shows what REST has; if that fails, it says so."""
    page = open_page("activity")
    sign_in(page)
    standin.kill()
    standin.floor.broken = True
    page.evaluate("location.hash = '#bots'")
    page.reload()
    expect(page.get_by_test_id("error")).to_contain_text("The store does not answer")
    standin.floor.broken = False
    press(page, "Try again")
    expect(page.get_by_test_id("empty")).to_contain_text("No bots yet")
