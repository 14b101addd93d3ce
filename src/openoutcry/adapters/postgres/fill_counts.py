"""How many trades of the platform the store has, by UTC day, all as of one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

import asyncpg

from openoutcry.adapters.postgres.times import to_us
from openoutcry.core.intervals import DAY
from openoutcry.core.user_messages import FILL, fill_day

_FIX: Final = "SELECT pg_current_snapshot()"
# Times as numbers (µs), so that it does not matter what the connection makes of timestamps.
_FILLS: Final = """
SELECT count(*) FROM fills
WHERE time >= 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'
  AND time < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'
"""
_PENDING: Final = """
SELECT data, (extract(epoch FROM time) * 1000000)::bigint AS time FROM outbox
WHERE published_at IS NULL AND type = $1
"""
# A day of a busy platform takes a while; nobody waits for it.
_PATIENCE: Final = 300.0
_AT_ONCE: Final = 1000


class FillSnapshot:
    """A moment of the store, held by a transaction of a connection of its own.

    What is committed later does not appear in it, however long the counting takes, and nobody waits
    for it either: it only reads.
    """

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    @classmethod
    async def take(cls, connection: asyncpg.Connection[Any]) -> FillSnapshot:
        """Begin: the moment is when this returns, or a little before. `close` ends it."""
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute(_FIX)
        return cls(connection)

    async def published(
        self, days: Sequence[date], tell: Callable[[int], None] = lambda _: None
    ) -> dict[date, int]:
        """Return how many trades of each day have been published: all, less those in the outbox.

        `tell` is called with the number of days done.
        """
        waiting: Counter[date] = Counter()
        async for row in self._connection.cursor(_PENDING, FILL, prefetch=_AT_ONCE):
            waiting[fill_day(row["data"], row["time"])] += 1
        counts = {}
        for done, day in enumerate(days, start=1):
            start = to_us(datetime.combine(day, time(), UTC))
            stored: int = await self._connection.fetchval(
                _FILLS, start, start + DAY, timeout=_PATIENCE
            )
            counts[day] = stored - waiting[day]
            tell(done)
        return counts

    async def close(self) -> None:
        """Let the moment and the connection go."""
        await self._connection.close(timeout=2)
