"""The public counter's other half: fills are counted as they are published, and compared with the store.

The publisher counts, under its lock; so at any moment between two of its steps the right count of a
day is known: the day's fills in the store, less those that wait in the outbox.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeAlias

import asyncpg
import structlog

from openoutcry.adapters.postgres.fill_counts import FillSnapshot
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.recounts import Recount, Recounts
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.core.trade_stats import KEPT_DAYS, TradeStats, last_days
from openoutcry.errors import OutcryError

_log = structlog.get_logger(__name__)

RECENT: Final = 2
"""Days compared each minute; all that are kept once an hour."""
EVERY: Final = 60.0
EVERY_WHOLE: Final = 3600.0

Connection: TypeAlias = "asyncpg.Connection[Any]"
Connect: TypeAlias = Callable[[], Awaitable[Connection]]


class TradeCounter:
    """Counts what the publisher publishes; a `services.publisher.FillCounter`.

    Counting the store may take seconds, and publishing does not wait for it: the count is of a moment
    between two steps, and what is published meanwhile is added to it. So a count is off at most until
    the next comparison, whatever was killed when. All days are counted anew when this begins, once an
    hour, when Valkey has lost its memory, and when `outcry stats backfill` asks.
    """

    def __init__(
        self,
        counts: TradeCounts,
        recounts: Recounts,
        connect: Connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.corrected = 0
        self._counts = counts
        self._recounts = recounts
        self._connect = connect
        self._clock = clock
        self._owner: Connection | None = None
        self._due = self._whole_due = 0.0
        self._running: _Running | None = None
        self._told: TradeStats | None = None

    async def count(self, fills: Mapping[date, int]) -> None:
        """Take a batch's fills by their UTC day."""
        await self._counts.add(fills)
        if self._running is not None:
            self._running.since.update(fills)

    async def tick(self, connection: Connection) -> None:
        """Compare with the store when it is time to, and tell the figures if they have changed.

        `connection` holds the publisher's lock; call this between its steps, about once a second.
        """
        if connection is not self._owner:
            await self.aclose()
            self._owner, self._whole_due = connection, 0.0
        if self._running is None:
            await self._begin_if_due()
        elif self._running.counting.done():
            running, self._running = self._running, None
            await self._correct(running, connection)
        stats = (await self._counts.read()).stats
        if stats != self._told:
            await self._counts.publish(stats)
            self._told = stats

    async def aclose(self) -> None:
        """Give up a comparison that is under way."""
        running, self._running = self._running, None
        if running is not None:
            await end(running.counting)

    async def _begin_if_due(self) -> None:
        now = self._clock()
        tokens = await self._recounts.wishes()
        counted = await self._counts.read(1)
        if tokens or counted.changed is None or now >= self._whole_due:
            self._whole_due = now + EVERY_WHOLE
            kept = KEPT_DAYS
        elif now >= self._due:
            kept = RECENT
        else:
            return
        self._due = now + EVERY
        days = last_days(counted.today, kept)
        snapshot = await FillSnapshot.take(await self._connect())
        self._running = _Running(days, tokens)
        self._running.counting = asyncio.create_task(self._count_store(snapshot, self._running))

    async def _count_store(self, snapshot: FillSnapshot, running: _Running) -> dict[date, int]:
        telling = asyncio.create_task(self._tell_progress(running)) if running.tokens else None
        try:
            return await snapshot.published(running.days, running.note)
        finally:
            if telling is not None:
                await end(telling)
            await snapshot.close()

    async def _tell_progress(self, running: _Running) -> None:
        while True:
            await self._recounts.tell(running.tokens, Recount(running.done, len(running.days)))
            await asyncio.sleep(0.2)

    async def _correct(self, running: _Running, connection: Connection) -> None:
        try:
            counted = running.counting.result()
        except (*OUTAGES, OutcryError) as error:
            _log.warning("the public counter was not compared", reason=str(error))
            self._whole_due = 0.0
            return
        await connection.fetchval("SELECT 1")  # raises if the lock has gone with the connection
        right = {day: count + running.since[day] for day, count in counted.items()}
        days = await self._counts.put(right)
        self.corrected += len(days)
        if days:
            _log.info("the public counter was corrected", days=[str(day) for day in days])
        if running.tokens:
            whole = len(running.days)
            await self._recounts.tell(running.tokens, Recount(whole, whole, len(days)))


class _Running:
    """A comparison under way: its days, who asked, and what was published since it began."""

    counting: asyncio.Task[dict[date, int]]

    def __init__(self, days: Sequence[date], tokens: list[str]) -> None:
        self.days = days
        self.tokens = tokens
        self.since: Counter[date] = Counter()
        self.done = 0

    def note(self, done: int) -> None:
        """Note how many days are done."""
        self.done = done
