"""The trading pages in a real browser: what is done there, and what other tabs see of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from browser.backoffice import PASSWORD
from browser.conftest import OpenPage, press
from browser.floor import Floor, furnish
from browser.standin import StandIn

pytestmark = pytest.mark.browser

expect.set_options(timeout=30_000)

PHONE = (390, 844)


def sign_in(page: Page, name: str = "bob") -> None:
    """Sign in by the sheet."""
    page.get_by_test_id("signed-out").get_by_role("button", name="Sign in").click()
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.fixture
def desk(standin: StandIn, open_page: OpenPage) -> Callable[..., Page]:
    """Open a trading page as somebody with bots."""
    standin.on_floor(furnish)

    def open_at(view: str, size: tuple[int, int] = (1280, 800)) -> Page:
        page = open_page(view, size)
        sign_in(page)
        expect(page.locator("main[data-ready=true]")).to_be_visible()
        return page

    return open_at


def another_tab(page: Page, view: str = "bots") -> Page:
    """Open a tab beside this one."""
    tab = page.context.new_page()
    tab.goto(page.url.split("#", maxsplit=1)[0] + f"#{view}")
    return tab


def row(page: Page, bot: str) -> Any:
    """Return a bot's row."""
    return page.locator(".table-bots .table-row").filter(has_text=bot)


def switch(page: Page, bot: str) -> Any:
    """Return a bot's switch."""
    return row(page, bot).get_by_role("switch")


def fill_form(page: Page, **values: str) -> None:
    """Type into the form that is open."""
    for name, value in values.items():
        page.locator(f".bot-form [name={name}]").fill(value)


def context_of(page: Page) -> BrowserContext:
    """Return the window that a tab is in."""
    return page.context


def test_strangers_are_asked_to_sign_in(open_page: OpenPage) -> None:
    """No page of trading shows anything to who is not signed in."""
    for view in ("bots", "orders", "activity", "portfolio"):
        page = open_page(view)
        expect(page.get_by_test_id("signed-out")).to_be_visible()
        expect(page.locator(".table")).to_have_count(0)


def test_bot_from_the_form(desk: Callable[..., Page], standin: StandIn) -> None:
    """A bot is made from what its strategy asks for, and appears in the list at once."""
    page = desk("bots")
    page.keyboard.press("n")
    expect(page.get_by_label("Strategy")).to_be_focused()
    fill_form(page, name="Fresh", quantity="0.01", buy_price="61000", sell_price="62000")
    page.get_by_role("switch", name="Infinite loop").click()
    page.get_by_role("button", name="Create and start").click()
    expect(row(page, "Fresh")).to_contain_text("Running")
    made = list(standin.floor.bots.values())[-1]
    assert made["parameters"] == {
        "quantity": "0.01",
        "buy_price": "61000",
        "sell_price": "62000",
        "first_order": "BUY",
        "infinite_loop": True,
    }


def test_problems_stand_at_their_fields(desk: Callable[..., Page]) -> None:
    """What is wrong is said where it is typed, by the page or by the server, and has the focus."""
    page = desk("bots")
    page.get_by_role("button", name="New bot").click()
    page.get_by_role("button", name="Create", exact=True).click()
    quantity = page.locator("[name=quantity]")
    expect(quantity).to_be_focused()
    expect(quantity).to_have_attribute("aria-invalid", "true")
    fill_form(page, quantity="1", buy_price="62000", sell_price="61000")
    page.get_by_role("button", name="Create", exact=True).click()
    sell = page.locator("[name=sell_price]")
    expect(sell).to_be_focused()
    expect(page.locator("#p-sell_price")).to_contain_text("must be above buy price 62000")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_edit_clone_delete(desk: Callable[..., Page], standin: StandIn) -> None:
    """A bot is changed, copied and, after a question, deleted; keeping it keeps it."""
    page = desk("bots")
    row(page, "Old grid").locator(".c-name").click()
    expect(page.locator("[name=buy_price]")).to_have_value("61200")
    fill_form(page, name="Older grid", buy_price="61100")
    page.get_by_role("button", name="Save").click()
    expect(row(page, "Older grid")).to_be_visible()
    assert standin.floor.bots[4]["parameters"]["buy_price"] == "61100"

    row(page, "Older grid").hover()
    row(page, "Older grid").get_by_role("button", name="Clone").click()
    expect(row(page, "Older grid copy")).to_contain_text("Stopped")

    delete = row(page, "Older grid copy").get_by_role("button", name="Delete")
    delete.click()
    page.get_by_role("button", name="Keep it").click()
    expect(row(page, "Older grid copy")).to_be_visible()
    delete.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(row(page, "Older grid copy")).to_have_count(0)


def test_by_keyboard_alone(desk: Callable[..., Page], standin: StandIn) -> None:
    """The list is walked, a bot started, looked at and deleted without a pointer."""
    page = desk("bots")
    page.locator("#table-bots").focus()
    page.keyboard.press("Home")
    expect(row(page, "Scalper PEPEUSDT")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("s")
    expect(switch(page, "Scalper PEPEUSDT")).to_have_attribute("aria-checked", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Scalper PEPEUSDT")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#table-bots")).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row(page, "Scalper PEPEUSDT")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_test_id("chart")).to_be_visible()
    assert not [bot for bot in standin.floor.bots.values() if "copy" in bot["name"]]


def test_a_sheet_is_not_closed_by_the_one_before(desk: Callable[..., Page]) -> None:
    """Whoever types quickly opens the next before the browser has told that the last one closed."""
    page = desk("bots")
    page.locator("#table-bots").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Scalper PEPEUSDT")).to_be_visible()
    page.evaluate("""() => {
        const dialog = document.querySelector("dialog");
        dialog.addEventListener("close", () => setTimeout(() => (window.told = true), 50));
        dialog.close();
        const key = new KeyboardEvent("keydown", { key: "Delete", bubbles: true });
        document.getElementById("table-bots").dispatchEvent(key);
    }""")
    page.wait_for_function("window.told")
    expect(page.get_by_role("button", name="Keep it")).to_be_visible()


def test_pnl_follows_the_price(desk: Callable[..., Page]) -> None:
    """The PnL of a bot that holds something moves by itself; one that holds nothing keeps still."""
    page = desk("bots")
    moving, still = (row(page, name).get_by_test_id("pnl") for name in ("Night", "Old grid"))
    expect(moving).to_contain_text("USDT")
    first, kept = moving.inner_text(), still.inner_text()
    expect(moving).not_to_have_text(first)
    expect(still).to_have_text(kept)


def test_two_tabs_in_step(desk: Callable[..., Page], standin: StandIn) -> None:
    """A second tab is signed in by the first, and what is done in one is seen in the other."""
    page = desk("bots")
    other = another_tab(page)
    expect(row(other, "Night scalper")).to_be_visible()
    switch(page, "Old grid").click()
    expect(switch(other, "Old grid")).to_have_attribute("aria-checked", "true")
    switch(other, "Old grid").click()
    expect(switch(page, "Old grid")).to_have_attribute("aria-checked", "false")
    orders = another_tab(page, "orders")
    expect(orders.locator(".table-row")).to_have_count(2)
    standin.on_floor(lambda floor: floor.fill("oo-1-81"))
    expect(orders.locator(".table-row")).to_have_count(1)


def test_signing_out_is_for_all_tabs(desk: Callable[..., Page]) -> None:
    """Whoever signs out in one tab has no bots on the screen in another."""
    page = desk("bots")
    other = another_tab(page)
    expect(row(other, "Night scalper")).to_be_visible()
    page.get_by_test_id("account").click()
    page.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        expect(tab.get_by_test_id("signed-out")).to_be_visible()
        expect(tab.locator(".table")).to_have_count(0)


def test_duplicated_tab_keeps_the_session(desk: Callable[..., Page], standin: StandIn) -> None:
    """Tabs with the same refresh token renew it once: none of them shows it a second time."""
    page = desk("bots")
    token = page.evaluate("sessionStorage.getItem('openoutcry.refresh')")
    copy = context_of(page).new_page()
    # What a browser does when a tab is duplicated: the storage is there before the page is.
    copy.add_init_script(f"sessionStorage.setItem('openoutcry.refresh', {token!r})")
    copy.goto(page.url)
    expect(row(copy, "Night scalper")).to_be_visible()
    refused: list[int] = []
    for tab in (page, copy):
        tab.on(
            "response",
            lambda answer: refused.append(answer.status) if "/auth/refresh" in answer.url else None,
        )
    standin.office.expire()
    for tab in (page, copy):
        tab.evaluate("location.hash = '#activity'")
        expect(tab.locator(".table-log .table-row").first).to_be_visible()
    assert set(refused) == {200}
    tokens = {tab.evaluate("sessionStorage.getItem('openoutcry.refresh')") for tab in (page, copy)}
    assert len(tokens) == 1


def test_lost_hub_is_seen_and_heals(desk: Callable[..., Page], standin: StandIn) -> None:
    """While the hub is gone the page says so; when it is back nothing is missing, nothing twice."""
    page = desk("bots")
    page.evaluate("location.hash = '#activity'")
    expect(page.locator(".table-log .table-row")).to_have_count(5)
    standin.kill()
    expect(page.get_by_test_id("banner")).to_contain_text("Live updates are interrupted")
    for count in range(3):
        standin.on_floor(partial(Floor.log, level="INFO", message=f"missed {count}", bot_id=1))
    standin.revive()
    press(page, "Reconnect now")
    expect(page.locator(".table-log .table-row")).to_have_count(8)
    expect(page.locator(".table-log .table-row").first).to_contain_text("missed 2")
    asked = [one for one in standin.told if one.get("channel") == "user"][-1]
    assert (asked["offset"], asked["epoch"]) == (len(standin.floor.messages) - 3, "stand-in")
    page.evaluate("location.hash = '#connection'")
    expect(page.get_by_test_id("tile-recovered")).to_have_text("1")
    expect(page.get_by_test_id("tile-offset")).to_have_text(f"#{len(standin.floor.messages)}")


def test_a_loss_that_cannot_be_had_again(desk: Callable[..., Page], standin: StandIn) -> None:
    """Where the hub has not kept what was missed, the snapshot replaces the state and lists renew."""
    page = desk("activity")
    expect(page.locator(".table-log .table-row")).to_have_count(5)
    standin.kill()
    standin.on_floor(lambda floor: floor.log("ERROR", "nobody kept this", 5))
    standin.floor.forgotten = len(standin.floor.messages)
    standin.revive()
    expect(page.locator(".table-log .table-row").first).to_contain_text("nobody kept this")
    expect(page.locator(".table-log .table-row")).to_have_count(6)


def test_orders_are_filtered_and_cancelled(desk: Callable[..., Page], standin: StandIn) -> None:
    """Orders and fills are narrowed by bot and side, the address remembers it, one is cancelled."""
    page = desk("orders")
    rows = page.locator(".table-row")
    expect(rows).to_have_count(2)
    rows.first.hover()
    rows.first.get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(1)
    page.keyboard.press("3")
    expect(page.locator(".table-fills .table-row").first).to_be_visible()
    page.get_by_label("Side").select_option("SELL")
    page.get_by_label("Bot").select_option(label="Weekend range")
    fills = page.locator(".table-fills .table-row")
    expect(fills.first).to_contain_text("Weekend range")
    expect(fills.filter(has_text="Buy")).to_have_count(0)
    expect(fills.filter(has_text="Night scalper")).to_have_count(0)
    assert "tab=fills&bot=2&side=SELL" in page.url
    page.reload()
    expect(page.locator(".table-fills .table-row").first).to_contain_text("Weekend range")
    before = len(standin.floor.fills)
    standin.on_floor(sell_again)
    expect(page.locator(".table-fills .table-row").first).to_contain_text("3,501.00")
    assert len(standin.floor.fills) == before + 1


async def sell_again(floor: Any) -> None:
    """Let the second bot sell at a price of its own."""
    order = await floor.place(2, "SELL", "3501", "0.8")
    await floor.fill(order["client_order_id"])


def test_long_lists_scroll_to_their_end(desk: Callable[..., Page]) -> None:
    """Only the rows on the screen exist, and older ones come as the list is scrolled."""
    page = desk("orders?tab=orders")
    table = page.get_by_test_id("table-orders")
    expect(table).to_have_attribute("aria-rowcount", "101")
    assert page.locator(".table-row").count() < 60
    table.focus()
    page.keyboard.press("End")
    expect(table).to_have_attribute("aria-rowcount", "165")
    page.keyboard.press("End")
    expect(page.locator(".table-row").last).to_be_visible()


def test_activity_is_filtered(desk: Callable[..., Page], standin: StandIn) -> None:
    """Levels and bots narrow the log; what is told afterwards is narrowed as well."""
    page = desk("activity")
    page.get_by_role("button", name="Errors").click()
    rows = page.locator(".table-log .table-row")
    expect(rows).to_have_count(1)
    standin.on_floor(lambda floor: floor.log("INFO", "not this", 1))
    standin.on_floor(lambda floor: floor.log("ERROR", "but this", 1))
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("but this")
    rows.first.click()
    expect(page.get_by_role("dialog")).to_contain_text("but this")


def test_portfolio_adds_up(desk: Callable[..., Page], standin: StandIn) -> None:
    """The portfolio has figures, curves and positions, and follows a fill."""
    page = desk("portfolio")
    expect(page.get_by_test_id("tile-equity")).to_contain_text("195,957.00")
    expect(page.get_by_test_id("positions").locator("tbody tr")).to_have_count(2)
    expect(page.get_by_test_id("unrealised").first).to_contain_text("USDT")
    expect(page.get_by_test_id("curve-pnl")).to_have_attribute("data-points", re.compile(r"\d{3}"))
    fees = page.get_by_test_id("tile-fees").inner_text()
    standin.on_floor(sell_again)
    expect(page.get_by_test_id("tile-fees")).not_to_have_text(fees)
    page.get_by_role("button", name="Day", exact=True).click()
    expect(page.get_by_test_id("curve-pnl")).to_have_attribute(
        "data-points", re.compile(r"^\d{1,2}$")
    )


def test_kill_switch(desk: Callable[..., Page], standin: StandIn) -> None:
    """Stop all stops all, after a question; no tab starts anything until it is reset."""
    page = desk("bots")
    other = another_tab(page)
    expect(row(other, "Night scalper")).to_be_visible()
    page.get_by_role("button", name="Stop all").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop all").click()
    for tab in (page, other):
        expect(tab.get_by_test_id("killed")).to_be_visible()
    expect(page.get_by_role("switch", checked=True)).to_have_count(0)
    switch(page, "Night scalper").click()
    expect(page.get_by_test_id("toast")).to_contain_text("kill switch is on")
    page.get_by_role("button", name="Reset it").click()
    for tab in (page, other):
        expect(tab.get_by_test_id("killed")).to_have_count(0)
    assert not standin.floor.kill_switch


def test_server_that_fails_is_told_apart_from_nothing(
    desk: Callable[..., Page], standin: StandIn
) -> None:
    """A list that cannot be had says so and can be tried again; it is not called empty."""
    page = desk("bots")
    standin.floor.broken = True
    page.evaluate("location.hash = '#activity'")
    expect(page.get_by_test_id("error")).to_contain_text("The store does not answer")
    standin.floor.broken = False
    press(page, "Try again")
    expect(page.locator(".table-log .table-row")).to_have_count(5)


def test_connection_page_measures(desk: Callable[..., Page], standin: StandIn) -> None:
    """The connection's figures are there and move; a lost hub stands among what happened."""
    page = desk("bots")
    page.get_by_test_id("pill").click()
    expect(page.get_by_test_id("tile-state")).to_have_text("Live")
    expect(page.get_by_test_id("tile-round-trip")).to_contain_text("ms")
    expect(page.get_by_test_id("channels")).to_contain_text("user")
    standin.close_all(3008)
    expect(page.get_by_test_id("events")).to_contain_text("3008")
    expect(page.get_by_test_id("tile-state")).to_have_text("Live", timeout=20_000)
    expect(page.get_by_test_id("tile-reconnects")).to_have_text("1")


def test_works_on_a_phone(desk: Callable[..., Page]) -> None:
    """On a phone nothing sticks out, and a bot is started and looked at by touch."""
    page = desk("bots", PHONE)
    for view in ("bots", "orders", "activity", "portfolio", "connection"):
        page.evaluate(f"location.hash = '#{view}'")
        time.sleep(0.3)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.evaluate("location.hash = '#bots'")
    switch(page, "Old grid").click()
    expect(switch(page, "Old grid")).to_have_attribute("aria-checked", "true")
    row(page, "Old grid").locator(".c-name").click()
    expect(page.get_by_test_id("standing")).to_contain_text("Running")
