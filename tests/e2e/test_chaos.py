"""Everything is killed in turn while a busy market goes on; at the end nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import expect

from .audit import assert_whole, candle_differences, settled
from .sandboxed import remembering
from .screen import Screen, chromium, screen
from .system import ALL_ROLES, System, eventually

expect.set_options(timeout=30_000)

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
RATE = float(os.environ.get("OUTCRY_TEST_CHAOS_RATE", "5000"))
PAUSE = float(os.environ.get("OUTCRY_TEST_CHAOS_PAUSE", "2"))

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


async def assert_alive(shown: Screen) -> None:
    """Check that a page hears of the market, and had no error on the way."""
    await expect(shown.connection).to_contain_text("Live", timeout=40_000)
    first = await shown.figures()

    async def moves() -> bool:
        return await shown.figures() != first

    await eventually("the candle on the page moves", moves)
    assert shown.errors == []


async def test_kill_everything_in_turn(tmp_path: Path) -> None:
    """Kill -9 of each role, restarts of both engines and cut sockets lose and double nothing.

    A page that is open all the while is live again at the end, without a reload.
    """
    settings = remembering(tmp_path, *SYMBOLS, sandbox_rate=RATE, weight_share=1.0)
    async with System(settings, tmp_path) as system, AsyncExitStack() as stack:
        system.start(*ALL_ROLES)
        connection = await asyncpg.connect(system.database_url)

        async def recording() -> bool:
            known = await connection.fetchval("SELECT count(*) FROM watermarks")
            return bool(known == 3 and system.get("/health/live"))

        await eventually("all symbols are recorded, and the API is there", recording)
        shown = await stack.enter_async_context(screen(system)) if chromium() else None
        await asyncio.sleep(PAUSE)
        for role in ("feed", "recorder", "hub", "api"):
            system.restart(role)
            await asyncio.sleep(PAUSE)
        system.sandbox("POST", "/sandbox/faults", {"kind": "cut", "frame": False})
        await asyncio.sleep(PAUSE)
        await system.engines.restart_valkey()
        await asyncio.sleep(PAUSE)
        await connection.close()
        await system.engines.restart_postgres()
        await asyncio.sleep(PAUSE)
        system.engines.kill_postgres()
        await system.engines.restart_postgres()
        system.engines.kill_valkey()
        await system.engines.restart_valkey()
        await asyncio.sleep(PAUSE)
        until = time.time_ns() // 1_000_000 * 1000 - 1

        connection = await asyncpg.connect(system.database_url)

        async def quiet() -> bool:
            return await settled(connection, SYMBOLS, until)

        await eventually("everything before now is recorded and repaired", quiet, 180)
        compared = await assert_whole(
            connection, tmp_path / "market.json", SYMBOLS, settings.sandbox_seed, until
        )
        assert compared > RATE * PAUSE
        if shown is not None:
            await assert_alive(shown)
        assert await candle_differences(connection) == []
        assert await connection.fetchval("SELECT count(*) FROM gaps WHERE state = 'absent'") == 0
        await connection.close()
