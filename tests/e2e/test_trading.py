"""Bots on a live market while their trader is killed: nothing lost, nothing twice, nothing different."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from e2e.ledger import check_books
from e2e.system import ALL_ROLES, System, eventually, fetch
from examples.kit import free_ports
from openoutcry.config import load

PASSWORD = "correct horse battery"  # noqa: S105  (of this test's database)
USERS = ("ada", "bob", "cyd")


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """All roles and a trader, over a busy made-up market."""
    api, hub, rest, ws = free_ports(4)
    settings = load(
        environ={},
        overrides={
            "symbols": ["BTCUSDT", "ETHUSDT"],
            "port": api,
            "ws_port": hub,
            "sandbox_port": rest,
            "sandbox_ws_port": ws,
            "sandbox_rate": 300.0,
            "spread": "0.00001",
            "sign_up": "open",
            "binance_rest_url": f"http://127.0.0.1:{rest}",
            "binance_ws_url": f"ws://127.0.0.1:{ws}",
        },
    )
    async with System(settings, tmp_path) as system:
        system.start(*ALL_ROLES, "trader")

        async def heard() -> bool:
            return all(system.get(f"/api/v3/trades?symbol={s}&limit=1") for s in settings.symbols)

        await eventually("both markets", heard)
        yield system


class Somebody:
    """A user of the API."""

    def __init__(self, system: System, name: str) -> None:
        self._system = system
        signed = {"name": name, "password": PASSWORD}
        fetch(f"{system.url}/api/v1/auth/sign-up", "POST", signed)
        self._token = fetch(f"{system.url}/api/v1/auth/token", "POST", signed)["accessToken"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return what the API answers to this user."""
        return fetch(f"{self._system.url}/api/v1{path}", method, body, token=self._token)


def scalper(system: System, symbol: str, number: int) -> dict[str, Any]:
    """Describe a scalper that will have much to do: it buys and sells around the last price."""
    price = Decimal(system.get(f"/api/v3/ticker/price?symbol={symbol}")["price"])
    away = Decimal(number + 1) / 50_000
    return {
        "name": f"scalper {number}",
        "strategy": "scalper",
        "ticker": symbol,
        "quantity": "0.002" if symbol == "BTCUSDT" else "0.05",
        "buy_price": str((price * (1 + away)).quantize(Decimal("0.01"))),
        "sell_price": str((price * (1 + 2 * away)).quantize(Decimal("0.01"))),
        "infinite_loop": True,
        "status": "ACTIVE",
    }


@pytest.mark.timeout(240)
async def test_killed_traders_lose_and_repeat_nothing(system: System) -> None:
    """`kill -9` again and again, two traders at a time: the books balance to the last digit."""
    users = [Somebody(system, name) for name in USERS]
    for user in users:
        for number in range(6):
            user.ask("POST", "/bots", scalper(system, ("BTCUSDT", "ETHUSDT")[number % 2], number))
    system.start("trader2")
    connection = await asyncpg.connect(system.database_url)

    async def fills() -> int:
        return int(await connection.fetchval("SELECT count(*) FROM fills"))

    draw = random.Random(5)
    before = -1
    for round_ in range(8):

        async def more(before: int = before) -> bool:
            return await fills() > before

        await eventually(f"fills after kill {round_}", more)
        before = await fills()
        await asyncio.sleep(draw.uniform(0.1, 1.0))
        system.restart(("trader", "trader2")[round_ % 2])
    for user in users:
        for bot in user.ask("GET", "/bots")["bots"]:
            user.ask("POST", f"/bots/{bot['id']}/stop")
    await asyncio.sleep(1)
    found = await check_books(connection)
    assert found["bots"] == 18
    assert found["fills"] > 20
    await connection.close()


RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"


@pytest.mark.timeout(240)
async def test_a_backtest_gives_the_fills_of_the_paper_trader(
    tmp_path: Path, test_data: Path
) -> None:
    """A scalper over a replay, its trader killed in between, and then over the stored trades."""
    api, hub, rest, ws = free_ports(4)
    settings = load(
        environ={},
        overrides={
            "symbols": ["BTCUSDT"],
            "port": api,
            "ws_port": hub,
            "sandbox_port": rest,
            "sandbox_ws_port": ws,
            "sandbox_replay": str(test_data / RECORDING),
            "sandbox_speed": "max",
            "spread": "0.00001",
            "sign_up": "open",
            "backfill": False,
            "binance_rest_url": f"http://127.0.0.1:{rest}",
            "binance_ws_url": f"ws://127.0.0.1:{ws}",
        },
    )
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
