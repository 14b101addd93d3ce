"""The list of markets and the aggregator's page on the whole system, in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from accounts import PASSWORD, make_user
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.model import Role

from .sandboxed import sandboxed
from .screen import chromium, screen
from .system import ALL_ROLES, System, eventually

expect.set_options(timeout=30_000)

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(240)]


async def sign_in(page: Page) -> None:
    """Fill the sheet in and send it."""
    await page.get_by_test_id("account").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    await dialog.get_by_label("Name").fill("ada")
    await dialog.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Signed in as ada")).to_be_visible()


async def test_markets_live_and_the_cache_is_cleared(tmp_path: Path) -> None:
    """The list moves with the exchange and opens charts; an admin sees and clears the aggregator."""
    if chromium() is None:
        pytest.skip("needs chromium on PATH and the built dashboard")
    settings = sandboxed("BTCUSDT", "ETHUSDT", "SOLUSDT", sandbox_rate=60, backfill=False)
    async with System(settings, tmp_path) as system:
        system.start(*ALL_ROLES)
        pool = await open_pool(system.database_url, application_name="test")
        try:
            await make_user(pool, role=Role.ADMIN)
        finally:
            await pool.close()

        async def listed() -> bool:
            return any(each["carried"] for each in system.get("/api/v1/markets")["markets"])

        await eventually("the API lists markets that are recorded", listed)
        async with screen(system, "/#markets") as shown:
            page = shown.page
            price = page.locator(".market[data-symbol=BTCUSDT] .m-price")
            await expect(page.get_by_test_id("source")).to_contain_text(
                "Stream, live", timeout=20_000
            )
            await expect(price).not_to_have_text(await price.inner_text(), timeout=30_000)

            await sign_in(page)
            await page.get_by_role("link", name="Admin").click()
            await expect(page.get_by_test_id("tile-source")).to_have_text("Stream")
            await expect(page.get_by_test_id("tile-breaker")).to_have_text("Closed")
            await page.get_by_role("button", name="Clear the cache").click()
            sheet = page.get_by_role("dialog", name="Clear the cache")
            await sheet.get_by_role("button", name="Clear", exact=True).click()
            await expect(page.get_by_test_id("cleared")).to_contain_text("Cleared 1 entry: tickers")

            await page.reload()
            await expect(page.get_by_test_id("tiles")).to_be_visible(timeout=20_000)
            await page.get_by_role("link", name="Markets").click()
            await page.locator(".market[data-symbol=BTCUSDT] .m-change").click()
            await expect(page).to_have_url(re.compile("#BTCUSDT/1m$"))
            await expect(page.get_by_test_id("symbol")).to_have_text("BTC/USDT")
            await expect(page.get_by_test_id("chart")).to_have_attribute("data-phase", "ready")
            assert shown.errors == []
