"""Bots on a live market while their trader is killed: nothing lost, nothing twice, nothing different."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from e2e.ledger import check_books
from e2e.recorded import RECORDING
from e2e.sandboxed import replaying, sandboxed
from e2e.system import System, eventually
from e2e.traders import PASSWORD, Ear, Somebody, more_fills, put_to_work, trading
from openoutcry.client import SignIn

USERS = ("ada", "bob", "cyd")
VICTIMS = ("trader", "trader2", "hub", "valkey", "postgres", "api")

# The whole of it: 200 bots, 2,000 trades a second, ten minutes.
BOTS = int(os.environ.get("OUTCRY_TEST_TRADING_BOTS", "18"))
RATE = float(os.environ.get("OUTCRY_TEST_TRADING_RATE", "300"))
SECONDS = float(os.environ.get("OUTCRY_TEST_TRADING_SECONDS", "0"))


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """All roles and a trader, over a busy made-up market."""
    settings = sandboxed("BTCUSDT", "ETHUSDT", sandbox_rate=RATE, spread="0.00001", sign_up="open")
    async with trading(settings, tmp_path) as system:
        yield system


async def wreck(system: System, victim: str) -> None:
    """Kill something without warning, and start it again."""
    if victim == "valkey":
        system.engines.kill_valkey()
        await system.engines.restart_valkey()
    elif victim == "postgres":
        system.engines.kill_postgres()
        await system.engines.restart_postgres()
    else:
        system.restart(victim)


@pytest.mark.timeout(1500)
async def test_killed_traders_lose_and_repeat_nothing(system: System) -> None:
    """`kill -9` of whatever trades, tells or stores, two traders at a time: the books balance.

    To the last digit, each order id once. The public counter agrees with the store in the end, and
    who listened all the while has heard each message once and in order since the last snapshot.
    """
    users = [Somebody(system, name) for name in USERS]
    symbols = ("BTCUSDT", "ETHUSDT")
    bots = [
        put_to_work(system, users[number % 3], symbols[number // 3 % 2], number % 40)
        for number in range(BOTS)
    ]
    system.start("trader2")
    ears = [Ear(system.hub_url, SignIn(system.url, name, PASSWORD)) for name in USERS]
    listening = [asyncio.create_task(ear.listen()) for ear in ears]
    draw = random.Random(5)
    end = time.monotonic() + SECONDS
    order = ["trader", "hub", "trader2", "valkey", "trader", "postgres", "trader2", "api"]
    before = -1
    while order or time.monotonic() < end:
        before = await more_fills(system, before, draw.sample(bots, len(bots) // 9))
        await asyncio.sleep(draw.uniform(0.2, 2.0))
        await wreck(system, order.pop(0) if order else draw.choice(VICTIMS))
    await more_fills(system, before, bots)

    async def stopped() -> bool:
        for user in users:
            await asyncio.to_thread(user.ask, "POST", "/kill-switch", {"on": True})
        return True

    await eventually("everything is stopped", stopped)
    connection = await asyncpg.connect(system.database_url)

    async def told() -> bool:
        return not await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE published_at IS NULL"
        )

    await eventually("everything is published", told)
    found = await check_books(connection)
    assert found["bots"] == BOTS
    positions = await connection.fetch("SELECT position FROM trading_accounts ORDER BY user_id")

    async def heard() -> bool:
        return [ear.offsets[-1] for ear in ears] == [row[0] for row in positions]

    await eventually("everybody has heard everything", heard)
    for ear, task in zip(ears, listening, strict=True):
        assert not task.done()
        assert ear.offsets == list(range(ear.offsets[0], ear.offsets[-1] + 1))
        task.cancel()

    async def counted() -> bool:
        stats = system.get("/api/public/stats/trades")["data"]
        return bool(stats["trades_30d"] == found["fills"])

    await eventually("the counter is right", counted, 120)
    await connection.close()


@pytest.mark.timeout(240)
async def test_a_backtest_gives_the_fills_of_the_paper_trader(
    tmp_path: Path, test_data: Path
) -> None:
    """A scalper over a replay, its trader killed in between, and then over the stored trades."""
    settings = replaying(test_data / RECORDING, "BTCUSDT", spread="0.00001", sign_up="open")
    described = {
        "name": "scalper",
        "strategy": "scalper",
        "ticker": "BTCUSDT",
        "quantity": "0.05",
        "buy_price": "61686",
        "sell_price": "61689",
        "infinite_loop": True,
    }
    async with System(settings, tmp_path) as system:
        system.start("sandbox", "api", "hub", "recorder", "trader")

        async def play(position: int) -> None:
            await asyncio.to_thread(system.sandbox, "POST", "/sandbox/replay", {"until": position})

        async def holds() -> bool:
            await play(0)
            return bool(system.get("/health/live"))

        await eventually("exchange and API", holds)
        connection = await asyncpg.connect(system.database_url)
        system.start("feed")

        async def listed() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM instruments"))

        await eventually("the market", listed)
        user = Somebody(system, "ada")
        user.ask("POST", "/bots", {**described, "status": "ACTIVE"})
        messages = system.sandbox("GET", "/sandbox/stats")["messages"]

        async def taken_in() -> bool:
            seen = await connection.fetchval("SELECT seen FROM bots")
            newest = await connection.fetchval("SELECT max(trade_id) FROM trades")
            told = await asyncio.to_thread(system.sandbox, "GET", "/sandbox/stats")
            return bool(newest and seen == newest == told["last_trade_id"]["BTCUSDT"])

        for share in (2, 3, 4):
            await play(messages * share // 4)
            await asyncio.sleep(0.2)
            system.restart("trader")
            await eventually(f"{share} quarters of the recording", taken_in)
        rows = await connection.fetch(
            "SELECT side, price, quantity, fee, realized_pnl FROM fills ORDER BY id"
        )
        await check_books(connection)
        assert len(rows) > 4
        file = tmp_path / "bot.json"
        file.write_text(json.dumps(described))
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "openoutcry", "backtest", "--bot", str(file), "--json"],
            env=system.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        told = json.loads(done.stdout)["fills"]
        numbers = ("price", "quantity", "fee", "realized_pnl")
        paper = [(row["side"], *(row[name] for name in numbers)) for row in rows]
        tested = [(fill["side"], *(Decimal(fill[name]) for name in numbers)) for fill in told]
        assert tested == paper
        await connection.close()
