"""People who trade on a whole system, and what they have traded for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError

import asyncpg

from openoutcry.client import Client, SignIn
from openoutcry.config import Settings

from .system import ALL_ROLES, System, eventually, fetch

PASSWORD = "correct horse battery"  # noqa: S105  (of a test's database)


@asynccontextmanager
async def trading(settings: Settings, folder: Path) -> AsyncIterator[System]:
    """Run all roles and a trader, with markets that are heard."""
    async with System(settings, folder) as system:
        system.start(*ALL_ROLES, "trader")

        async def heard() -> bool:
            return all(system.get(f"/api/v3/trades?symbol={s}&limit=1") for s in settings.symbols)

        await eventually("every market is heard", heard)
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


class Ear:
    """Listens to a user's channel throughout, as a tab would."""

    def __init__(self, hub: str, credentials: SignIn) -> None:
        self.offsets: list[int] = []
        self.snapshots = 0
        self._hub, self._who = hub, credentials

    async def listen(self) -> None:
        """Take note of every message until cancelled."""
        async with Client(self._hub, self._who, backoff=(0.2, 2.0)) as client:
            client.subscribe("user")
            async for message in client:
                if message.channel != "user" or message.offset is None:
                    continue
                if message.is_snapshot:
                    self.snapshots += 1
                    self.offsets = [message.offset]
                elif message.type != "subscribed":
                    self.offsets.append(message.offset)


class AtWork(NamedTuple):
    """A scalper that `put_to_work` has made: whose, its id, and how it was described."""

    user: Somebody
    bot: int
    symbol: str
    number: int


def put_to_work(system: System, user: Somebody, symbol: str, number: int) -> AtWork:
    """Make a scalper."""
    bot = user.ask("POST", "/bots", scalper(system, symbol, number))["id"]
    return AtWork(user, bot, symbol, number)


async def more_fills(system: System, least: int, bots: Sequence[AtWork]) -> int:
    """Wait until there are more fills than so many; return how many.

    The market leaves every scalper behind sooner or later: these follow it.
    """
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        await aim(system, bots)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if (count := await fills(system)) > least:
                return count
            await asyncio.sleep(0.25)
    raise AssertionError(f"no more than {least} fills")


async def fills(system: System) -> int:
    """Return how many fills are stored, 0 while the store is away."""
    try:
        connection = await asyncpg.connect(system.database_url)
    except (OSError, asyncpg.PostgresError):
        return 0
    try:
        return int(await connection.fetchval("SELECT count(*) FROM fills"))
    finally:
        await connection.close()


async def aim(system: System, bots: Sequence[AtWork]) -> None:
    """Let bots trade at once: every other one buys what it has not, the rest sell what they have.

    What is away just now is left out.
    """
    for turn, (user, bot, symbol, number) in enumerate(bots):
        try:
            described = await asyncio.to_thread(scalper, system, symbol, number)
            prices = {name: Decimal(described[name]) for name in ("buy_price", "sell_price")}
            if turn % 2:
                lower = 3 * (prices["sell_price"] - prices["buy_price"])
                prices = {name: price - lower for name, price in prices.items()}
            edit = {name: str(price) for name, price in prices.items()}
            await asyncio.to_thread(user.ask, "PATCH", f"/bots/{bot}", edit)
        except HTTPError as error:
            if error.code != 503:
                raise
        except OSError:
            continue
