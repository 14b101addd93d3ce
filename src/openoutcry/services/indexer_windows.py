"""What has grown too old leaves the sums of the rolling windows, second by second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from openoutcry.adapters.postgres import token_index
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.token_store import Stored
from openoutcry.adapters.postgres.token_windows import expire
from openoutcry.adapters.tasks import sleep
from openoutcry.core.backoff import Backoff
from openoutcry.errors import OutcryError
from openoutcry.services.indexer_news import News, tell
from openoutcry.services.indexer_stats import IndexerStats

log = structlog.get_logger(__name__)

EXPIRE_SECONDS: Final = 1.0
"""How often. Readers are exact without it; it bounds what they have to subtract."""


async def move_windows(
    connect: Callable[[], Awaitable[asyncpg.Connection]],
    stats: IndexerStats,
    news: News,
    stop: asyncio.Event,
) -> None:
    """Move the windows on until `stop`, while the indexer of `stats` is the one at work.

    On a connection of its own; when that is lost, or the writer's lock is not to be had, the next time
    does for this one.
    """
    backoff = Backoff(first=0.5, most=15.0)
    connection: asyncpg.Connection | None = None
    try:
        while not stop.is_set():
            failed = False
            try:
                if stats.owned:
                    if connection is None:
                        connection = await connect()
                        await token_index.limit_waits(connection)
                    gone = await expire(connection, time.time_ns() // 1000)
                    backoff.reset()
                    if gone:
                        stats.expired += len(gone)
                        await tell(news, Stored(None, tokens=gone), stats)
            except asyncpg.LockNotAvailableError:
                stats.waits += 1
            except (*OUTAGES, OutcryError) as error:
                failed = True
                reason = f"{type(error).__name__}: {error}"
                log.warning("the windows of tokens stand still", reason=reason)
                if connection is not None:
                    connection.terminate()
                connection = None
            # Right after a second begins: lists worked out in it then have little to take off.
            due = EXPIRE_SECONDS - time.time() % EXPIRE_SECONDS
            await sleep(backoff.next() if failed else due, stop)
    finally:
        if connection is not None:
            connection.terminate()
