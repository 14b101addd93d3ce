"""What tests of the recorder share: one that dies when it is told to, and what it leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

import tape
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.keys import DEAD_LETTERS
from openoutcry.services import recorder as recorder_module
from openoutcry.services.recorder import Recorder
from tape import until

POINTS = (
    "before COPY", "before commit", "before XACK", "after XACK", "before claim", "after claim",
)  # fmt: skip
"""Where a recorder can be made to die."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: nothing here depends on their length but the tests' own."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 20)
    monkeypatch.setattr(recorder_module, "_STANDBY_SECONDS", 0.05)
    monkeypatch.setattr(recorder_module, "_LOOK_ROUND_SECONDS", 0.2)


class CrashError(Exception):
    """The recorder dies here."""


class Faults:
    """Says when to die: at the n-th time that a point is reached."""

    def __init__(self, point: str = "", times: int = 0) -> None:
        self.point, self.left = point, times

    def reach(self, point: str) -> None:
        """Die, if it is time to."""
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                self.point = ""
                raise CrashError(point)


class FaultyConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that dies around what the store does with it."""

    faults = Faults()

    async def copy_to_table(self, table_name: str, **options: Any) -> Any:
        """Die before the trades are copied, or after they were."""
        if table_name == "trades":
            self.faults.reach("before COPY")
        return await super().copy_to_table(table_name, **options)

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        """Die with everything written and nothing committed."""
        done = await super().execute(query, *args, timeout=timeout)
        if "INSERT INTO stream_positions" in query:
            self.faults.reach("before commit")
        return done


class FaultyStream(TradeStream):
    """A stream that dies around acknowledging and claiming."""

    faults = Faults()

    async def done(self, ids: Any) -> None:
        """Die after the commit, before the acknowledgement, or after it."""
        self.faults.reach("before XACK")
        await super().done(ids)
        self.faults.reach("after XACK")

    async def claim(self) -> None:
        """Die before or after claiming."""
        self.faults.reach("before claim")
        await super().claim()
        self.faults.reach("after claim")


def make(
    valkey: Redis, url: str, consumer: str = "a", batch: int = 1000, faults: Faults | None = None
) -> Recorder:
    """Return a recorder of shard 0."""
    stream = FaultyStream(valkey, 0, consumer)
    stream.faults = faults or Faults()

    async def dial() -> asyncpg.Connection:
        connection = await asyncpg.connect(url, connection_class=FaultyConnection)
        connection.faults = stream.faults
        return connection

    return Recorder(0, dial, stream, lambda *_: None, batch)


@contextlib.asynccontextmanager
async def running(*recorders: Recorder) -> AsyncIterator[None]:
    """Run recorders in the background; their errors are ours."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.run(stop)) for one in recorders]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 30)


async def record_all(recorder: Recorder, valkey: Redis) -> None:
    """Run a recorder until nothing is left to do."""
    async with running(recorder):
        await until(lambda: tape.drained(valkey))


async def add_instruments(connection: asyncpg.Connection, count: int = 2) -> None:
    """Add instruments 1..count."""
    for number in range(1, count + 1):
        await connection.execute(
            "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
            " VALUES ('binance', $1, $2, 'USDT', 2, 5)",
            f"C{number}USDT",
            f"C{number}",
        )


@pytest.fixture
async def market(db: asyncpg.Connection) -> asyncpg.Connection:
    """A connection to a database with the instruments 1 and 2."""
    await add_instruments(db)
    return db


async def gaps(connection: asyncpg.Connection) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return state and missing ids (inclusive) of every gap."""
    rows = await connection.fetch("SELECT state, missing FROM gaps ORDER BY id")
    return [(row[0], [(r.lower, r.upper - 1) for r in row[1]]) for row in rows]


async def letters(valkey: Redis) -> list[dict[str, bytes]]:
    """Return the dead letters."""
    found = await tape.entries(valkey, DEAD_LETTERS)
    return [{key.decode(): value for key, value in fields.items()} for _, fields in found]
