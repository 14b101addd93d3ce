"""The dashboard of a running system, open in a real Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Locator, Page, async_playwright

from browser.conftest import ARGUMENTS
from openoutcry.web.api.site import STATIC

from .system import System


class Screen:
    """A page and the errors that it met."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @property
    def connection(self) -> Locator:
        """The pill that says how the page hears of the market."""
        return self.page.get_by_test_id("pill")

    async def figures(self) -> str:
        """Return the legend: open, high, low, close and volume of the candle that is shown."""
        return await self.page.get_by_test_id("legend").inner_text()


def chromium() -> str | None:
    """Return where Chromium is; None without it, or without a dashboard that it could open."""
    built = (STATIC / "index.html").exists()
    return os.environ.get("OUTCRY_TEST_CHROMIUM") or shutil.which("chromium") if built else None


@asynccontextmanager
async def screen(system: System, path: str = "/#BTCUSDT/1m") -> AsyncIterator[Screen]:
    """Open a page of the dashboard, in the Chromium that there is."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        opened = Screen(page)
        await page.goto(system.url + path)
        try:
            yield opened
        finally:
            await browser.close()
