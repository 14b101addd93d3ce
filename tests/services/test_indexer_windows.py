"""What is too old leaves the stored sums by itself, whatever happens to the connection meanwhile."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import asyncpg

from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_store import LOCK, Stored, apply
from openoutcry.adapters.tasks import end
from openoutcry.services.indexer_stats import IndexerStats
from openoutcry.services.indexer_windows import move_windows
from openoutcry.tokens import DAY
from tokenkit import address, block, trade

SUM = "SELECT volume_24h FROM token_figures"


class Heard:
    """News that are kept."""

    def __init__(self) -> None:
        self.told: list[Stored] = []

    async def tell(self, stored: Stored) -> None:
        self.told.append(stored)


async def test_trades_leave_the_day_and_it_is_told(database_url: str) -> None:
    """Only where an indexer is at work; a lock that is held and a cut connection put it off."""
    connect = partial(dial, database_url, application_name="test windows")
    store = await dial(database_url, application_name="test")
    almost = time.time_ns() // 1000 - DAY + 1_000_000
    await apply(store, [block(1, trade(0, 1, 2, 70), time=almost)])
    stats, news, stop = IndexerStats(), Heard(), asyncio.Event()
    moving = asyncio.create_task(move_windows(connect, stats, news, stop))
    await asyncio.sleep(1.5)
    assert await store.fetchval(SUM) == 70
    async with store.transaction():
        await store.execute("SELECT pg_advisory_xact_lock($1, 0)", LOCK)
        stats.owned = True
        await until(lambda: stats.waits > 0)
    await store.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'test windows'"
    )
    await until(lambda: bool(news.told))
    assert await store.fetchval(SUM) == 0
    assert news.told == [Stored(None, tokens=(address(1),))]
    assert stats.expired == 1
    stop.set()
    await asyncio.wait_for(moving, 30)
    await end(moving)
    await store.close(timeout=5)


async def until(check: object) -> None:
    """Wait until a check is true."""
    assert callable(check)
    async with asyncio.timeout(60):
        while not check():
            await asyncio.sleep(0.05)


async def test_a_store_that_is_away_is_waited_for() -> None:
    """It tries again, and ends when it is told to."""
    tries = 0

    async def connect() -> asyncpg.Connection:
        nonlocal tries
        tries += 1
        raise ConnectionRefusedError

    stats, stop = IndexerStats(owned=True), asyncio.Event()
    moving = asyncio.create_task(move_windows(connect, stats, Heard(), stop))
    await until(lambda: tries >= 2)
    stop.set()
    await asyncio.wait_for(moving, 30)
