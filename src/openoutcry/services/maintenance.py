"""Housekeeping of the store: partitions ahead of time, retention of the tape and of what bots told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import asyncpg
import structlog

from openoutcry.adapters.postgres import retention
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.times import from_us
from openoutcry.adapters.tasks import sleep
from openoutcry.core.intervals import DAY

log = structlog.get_logger(__name__)

_PERIOD_SECONDS: Final = 600.0
_DAYS_AHEAD: Final = 3
_BREATH_SECONDS: Final = 0.05
"""Between two batches of old rows: a backlog of months is not to slow anything else down."""


async def maintain(
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
    keep_days: dict[str, int],
    stop: asyncio.Event,
    rows_days: Mapping[str, int] | None = None,
) -> None:
    """Every ten minutes until `stop`: make room for the next days, drop what is past its time.

    `keep_days` maps a partitioned table to the days it is kept, `rows_days` one of `retention.AGING`;
    0 keeps it for good. Doing it from several processes is harmless.
    """
    while not stop.is_set():
        try:
            connection = await connect()
            try:
                now = time.time_ns() // 1000
                await maintain_once(connection, keep_days, now)
                await remove_old_rows(connection, rows_days or {}, now, stop)
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


async def remove_old_rows(
    connection: asyncpg.Connection[Any],
    rows_days: Mapping[str, int],
    now: int,
    stop: asyncio.Event,
    at_once: int = retention.AT_ONCE,
) -> None:
    """Remove rows that are older than they should be, batch after batch, until none is or `stop`.

    As of `now` (µs), or of the newest row where that is older: bots that trade a recording live in its
    time, and what they have just told is not old.
    """
    for table, days in rows_days.items():
        last = await retention.newest(connection, table) if days else None
        if last is None:
            continue
        before, total = min(now, last) - days * DAY, 0
        while not stop.is_set():
            removed = await retention.remove_batch(connection, table, before, at_once)
            total += removed
            if removed < at_once:
                break
            await asyncio.sleep(_BREATH_SECONDS)
        if total:
            log.info("old rows removed", table=table, rows=total, before=from_us(before))
