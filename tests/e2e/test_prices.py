"""Prices in the whole system: the feed's tickers cost no call, REST stands in while the feed is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from .sandboxed import sandboxed
from .system import System, eventually

pytestmark = pytest.mark.e2e


async def test_prices_follow_the_feed_and_outlive_it(tmp_path: Path) -> None:
    """Stream, then REST when the feed is killed, then the stream again, and nobody without prices."""
    settings = sandboxed(
        *("BTCUSDT", "ETHUSDT", "SOLUSDT"),
        sandbox_rate=60,
        price_fresh_seconds=1.0,
        price_grace_seconds=0.5,
        price_stream_seconds=3.0,
        price_symbols=["BTCUSDT=Bitcoin", "ETHUSDT=Ethereum"],
    )
    async with System(settings, tmp_path) as system:
        system.start("sandbox", "feed", "api")

        def calls() -> int:
            stats = system.sandbox("GET", "/sandbox/stats")
            return int(stats["rest_calls"].get("/api/v3/ticker/24hr", 0))

        async def source() -> str:
            rows = await asyncio.to_thread(system.get, "/api/prices/aggregated")
            assert [row["name"] for row in rows] == ["Bitcoin", "Ethereum"]
            listed = await asyncio.to_thread(system.get, "/api/v1/markets")
            return str(listed["source"])

        async def streaming() -> bool:
            return await source() == "stream"

        async def asking() -> bool:
            return await source() == "rest"

        await eventually("prices come from the stream", streaming)
        before, unchanged = calls(), 0

        async def nobody_asks() -> bool:
            """The feed asks once for what the stream has not told; then, for five seconds, nobody."""
            nonlocal before, unchanged
            assert await source() == "stream"
            now = calls()
            unchanged = unchanged + 1 if now == before else 0
            before = now
            return unchanged >= 20

        await eventually("the exchange is asked no more", nobody_asks)
        system.kill("feed")
        await eventually("prices come over REST", asking)
        await eventually("the exchange is asked", lambda: _more(calls, before))
        system.start("feed")
        await eventually("prices come from the stream again", streaming)


async def _more(calls: Callable[[], int], before: int) -> bool:
    return calls() > before
