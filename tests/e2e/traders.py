"""People who trade on a whole system, and what they have traded for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

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


async def more_fills(system: System, least: int) -> int:
    """Wait until there are more fills than so many; return how many."""

    async def found() -> int:
        connection = await asyncpg.connect(system.database_url)
        try:
            count = int(await connection.fetchval("SELECT count(*) FROM fills"))
        finally:
            await connection.close()
        return count if count > least else 0

    return int(await eventually(f"more than {least} fills", found))
