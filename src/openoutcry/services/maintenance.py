"""Housekeeping of the store: partitions ahead of time, retention, block ranges summarised."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
import structlog

from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.times import from_us
from openoutcry.adapters.tasks import sleep
from openoutcry.core.intervals import DAY

log = structlog.get_logger(__name__)

_PERIOD_SECONDS: Final = 600.0
_DAYS_AHEAD: Final = 3


async def maintain(
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
    keep_days: dict[str, int],
    stop: asyncio.Event,
) -> None:
    """Every ten minutes until `stop`: make room for the next days, drop what is past its time.

    `keep_days` maps a partitioned table to the days it is kept; 0 keeps it for good. Doing it from
    several processes is harmless.
    """
    while not stop.is_set():
        try:
            connection = await connect()
            try:
                await maintain_once(connection, keep_days, time.time_ns() // 1000)
            finally:
                await connection.close(timeout=2)
        except OUTAGES as error:
            log.warning("housekeeping is put off", reason=f"{type(error).__name__}: {error}")
        await sleep(_PERIOD_SECONDS, stop)


async def maintain_once(
    connection: asyncpg.Connection[Any], keep_days: dict[str, int], now: int
) -> None:
    """Make room from today on and drop what is older than it should be, as of `now` (µs)."""
    for table, days in keep_days.items():
        await connection.execute(
            "SELECT outcry_make_room($1, $2, $3)",
            table,
            from_us(now),
            from_us(now + _DAYS_AHEAD * DAY),
        )
        if days:
            cutoff = from_us(now - days * DAY)
            dropped = await connection.fetchval("SELECT outcry_drop_older($1, $2)", table, cutoff)
            if dropped:
                log.info("old partitions dropped", table=table, partitions=dropped, before=cutoff)
