"""The dashboard of the whole system in a real Chromium: alive, through a hub's death and back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from playwright.async_api import expect

from .sandboxed import sandboxed
from .screen import chromium, screen
from .system import ALL_ROLES, System, eventually

expect.set_options(timeout=30_000)

PICTURE = Path(__file__).parents[2] / "docs" / "dashboard.png"

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(240)]


async def test_the_page_lives_and_heals(tmp_path: Path) -> None:
    """A full chart appears and moves, the timeframe switches, a dead hub is shown and comes back."""
    if chromium() is None:
        pytest.skip("needs chromium on PATH and the built dashboard")
    settings = sandboxed("BTCUSDT", "ETHUSDT", "SOLUSDT", sandbox_rate=60, weight_share=1.0)
    async with System(settings, tmp_path) as system:
        system.start(*ALL_ROLES)

        async def history() -> bool:
            now = int(time.time())
            stamp = [time.strftime("%FT%TZ", time.gmtime(at)) for at in (now - 36_000, now)]
            answer = system.get(
                f"/candles?asset=BTC&duration=1m&startTime={stamp[0]}&endTime={stamp[1]}"
            )
            candles = answer["candles"]
            return len(candles) > 500 and all(c["complete"] for c in candles[:-2])

        await eventually("ten hours of whole minutes are there", history)
        async with screen(system) as shown:
            page, connection = shown.page, shown.connection
            await expect(connection).to_contain_text("Live")
            first = await shown.figures()

            async def moved() -> bool:
                return await shown.figures() != first

            await eventually("the current candle moves without a reload", moved)
            if os.environ.get("OUTCRY_TEST_PICTURE"):
                await page.wait_for_timeout(4000)
                await page.screenshot(path=PICTURE)
            await page.get_by_role("radiogroup").get_by_text("15m", exact=True).click()
            await expect(page).to_have_url(system.url + "/#BTCUSDT/15m")

            system.kill("hub")
            await expect(connection).not_to_contain_text("Live")
            before = await shown.figures()
            system.start("hub")
            await expect(connection).to_contain_text("Live", timeout=40_000)

            async def moves_again() -> bool:
                return await shown.figures() != before

            await eventually("the page goes on by itself", moves_again)
            assert shown.errors == []
