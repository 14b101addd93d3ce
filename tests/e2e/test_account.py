"""The account page and paper funds on the whole system, in a real Chromium: what is clicked is so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.async_api import Page, async_playwright, expect

from browser.conftest import ARGUMENTS

from .sandboxed import sandboxed
from .screen import chromium
from .system import System, eventually
from .traders import PASSWORD, Somebody, trading

expect.set_options(timeout=30_000)

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(240)]


async def sign_in(page: Page, name: str) -> None:
    """Sign in by the sheet."""
    await page.get_by_test_id("signed-out").get_by_role("button", name="Sign in").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)


def status_with(system: System, key: str) -> int:
    """Return what the API says to a key."""
    try:
        asked = Request(f"{system.url}/api/v1/bots", headers={"X-API-Key": key})
        with urlopen(asked, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.mark.skipif(chromium() is None, reason="needs Chromium and a built dashboard")
async def test_keys_sessions_and_funds(tmp_path: Path) -> None:
    """A key works from its making to its revoking, a session ends, funds reach another tab."""
    settings = sandboxed("BTCUSDT", sandbox_rate=20.0, sign_up="open")
    async with trading(settings, tmp_path) as system, async_playwright() as playwright:
        ada = await asyncio.to_thread(Somebody, system, "ada")
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        profile = await browser.new_context()
        page = await profile.new_page()
        await page.goto(f"{system.url}/#account")
        await sign_in(page, "ada")

        sessions = page.get_by_test_id("sessions").locator("li.row")
        # Ada's program has signed up, and then signed in: its newer session is the one it uses.
        await expect(sessions).to_have_count(3)
        await sessions.nth(1).get_by_role("button").click()
        await expect(sessions).to_have_count(2)

        async def ended() -> bool:
            try:
                await asyncio.to_thread(ada.ask, "GET", "/bots")
            except HTTPError as error:
                return error.code == 401
            return False

        await eventually("the session that was ended is refused", ended)

        await page.get_by_role("button", name="Change password").click()
        await page.get_by_label("Current password").fill(PASSWORD)
        await page.get_by_label("New password", exact=True).fill("another battery, staple")
        await page.get_by_label("New password again").fill("another battery, staple")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("toast")).to_contain_text("1 other session ended")
        await expect(sessions).to_have_count(1)

        await page.get_by_role("button", name="New key").click()
        await page.get_by_label("Name", exact=True).fill("cellar")
        await page.get_by_role("button", name="Make the key").click()
        key = await page.get_by_test_id("copy-value").inner_text()
        await page.get_by_role("button", name="Done").click()
        assert await asyncio.to_thread(status_with, system, key) == 200
        await page.get_by_role("button", name="Revoke cellar").click()
        revoke = page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True)
        await revoke.click()
        await expect(page.get_by_test_id("api-keys").get_by_test_id("empty")).to_be_visible()

        async def refused() -> bool:
            return await asyncio.to_thread(status_with, system, key) == 401

        await eventually("the key that was revoked is refused", refused)
        # Live trading is off here.
        await expect(page.get_by_test_id("exchange-keys")).to_have_count(0)

        other = await profile.new_page()
        await other.goto(f"{system.url}/#portfolio")
        balance = other.get_by_test_id("balances").locator("tbody tr").filter(has_text="USDT")
        await expect(balance).to_contain_text("10,000.00")
        await page.bring_to_front()
        await page.evaluate("location.hash = '#portfolio'")
        await page.get_by_role("button", name="Add or take out funds").click()
        await page.get_by_label("Amount").fill("1000.500000000000000001")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("toast")).to_contain_text("1,000.500000000000000001 USDT")
        await expect(balance).to_contain_text("11,000.50")
        await browser.close()


@pytest.mark.skipif(chromium() is None, reason="needs Chromium and a built dashboard")
async def test_an_account_of_ones_own(tmp_path: Path) -> None:
    """Where anybody may, the sheet makes an account and signs in; a taken name is said in words."""
    settings = sandboxed("BTCUSDT", sandbox_rate=20.0, sign_up="open")
    async with trading(settings, tmp_path) as system, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for known in (False, True):
            page = await (await browser.new_context()).new_page()
            await page.goto(f"{system.url}/#bots")
            await page.get_by_test_id("account").click()
            await page.get_by_role("button", name="Create an account").click()
            dialog = page.get_by_role("dialog", name="Create an account")
            await dialog.get_by_label("Name").fill("Eve")
            await dialog.get_by_label("Password").fill(PASSWORD)
            await dialog.get_by_role("button", name="Create account").click()
            if known:
                await expect(dialog.get_by_role("alert")).to_contain_text("choose another name")
            else:
                name = "Signed in as Eve"
                await expect(page.get_by_role("button", name=name)).to_be_visible()
                await expect(page.get_by_role("button", name="New bot").first).to_be_visible()
        await browser.close()
