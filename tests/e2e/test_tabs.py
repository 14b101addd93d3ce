"""Two users with three tabs each, in a real Chromium, on the whole system; the hub is killed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from browser.conftest import ARGUMENTS

from .sandboxed import sandboxed
from .screen import chromium
from .system import System
from .traders import PASSWORD, Somebody, scalper, trading

expect.set_options(timeout=30_000)

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(400)]

USERS = ("ada", "bob")
TABS = 3


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """All roles and a trader, over a made-up market."""
    settings = sandboxed("BTCUSDT", sandbox_rate=50.0, spread="0.00001", sign_up="open")
    async with trading(settings, tmp_path) as system:
        yield system


async def open_tabs(system: System, name: str) -> list[Page]:
    """Return tabs of one browser profile on the list of bots; the first signs in, the others follow."""
    playwright = await async_playwright().start()
    browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
    profile = await browser.new_context()
    pages = []
    for number in range(TABS):
        page = await profile.new_page()
        await page.goto(f"{system.url}/#bots")
        if number == 0:
            await page.get_by_test_id("account").click()
            dialog = page.get_by_role("dialog", name="Sign in")
            await dialog.get_by_label("Name").fill(name)
            await dialog.get_by_label("Password").fill(PASSWORD)
            await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name=f"Signed in as {name}")).to_be_visible()
        pages.append(page)
    return pages


async def only_own(tabs: dict[str, list[Page]], what: str) -> None:
    """Check that each tab shows `what` of its own user, and of nobody else."""
    for name, pages in tabs.items():
        for page in pages:
            await expect(page.get_by_text(f"{what} of {name}")).to_be_visible()
            for other in tabs.keys() - {name}:
                await expect(page.get_by_text(f"{what} of {other}")).to_have_count(0)


@pytest.mark.skipif(chromium() is None, reason="needs Chromium and a built dashboard")
async def test_every_tab_of_the_owner_and_nobody_else(system: System) -> None:
    """What one does is in all of one's tabs, through a killed hub; the other user never sees it."""
    users = {name: await asyncio.to_thread(Somebody, system, name) for name in USERS}
    tabs = {name: await open_tabs(system, name) for name in USERS}
    every = [page for pages in tabs.values() for page in pages]

    async def make(name: str, what: str, status: str) -> int:
        bot = {**scalper(system, "BTCUSDT", 5), "name": f"{what} of {name}", "status": status}
        return int((await asyncio.to_thread(users[name].ask, "POST", "/bots", bot))["id"])

    bots = {name: await make(name, "first", "ACTIVE") for name in USERS}
    await only_own(tabs, "first")
    for page in every:
        # Its order is filled by the market, and every tab tells of it.
        await expect(page.get_by_text(re.compile("^(Bought|Sold)")).first).to_be_visible()

    system.kill("hub")
    for page in every:
        await expect(page.get_by_test_id("pill")).not_to_contain_text("Live")
    for name, user in users.items():
        await asyncio.to_thread(user.ask, "POST", f"/bots/{bots[name]}/stop")
        await make(name, "later", "STOPPED")
    system.start("hub")
    for page in every:
        await expect(page.get_by_test_id("pill")).to_contain_text("Live", timeout=60_000)
    await only_own(tabs, "later")
    for name, user in users.items():
        await asyncio.to_thread(user.ask, "DELETE", f"/bots/{bots[name]}")
    for page in every:
        await expect(page.locator(".state", has_text="Running")).to_have_count(0)
        await expect(page.get_by_text(re.compile("^first of"))).to_have_count(0)
    for pages in tabs.values():
        assert pages[0].context.browser is not None
        await pages[0].context.browser.close()
