"""The publisher: drains the outbox of committed messages into Valkey, where users hear of them.

Each step reads a batch of rows, appends each user's messages to the user's history and publishes
them (one script), counts the fills, and then marks the rows. Killed anywhere in between, the next
owner takes the same step again: what the history has already is left out, so no message is lost
there or in it twice. Fills may then be counted twice; the counter is compared with the store.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import asyncpg
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.outbox import Outbox, Row
from openoutcry.adapters.tasks import end, sleep
from openoutcry.adapters.valkey.user_history import Message, UserHistory
from openoutcry.core.backoff import Backoff
from openoutcry.core.trading.wire import user_message
from openoutcry.core.user_messages import FILL, fill_day
from openoutcry.errors import OutcryError

log = structlog.get_logger(__name__)

BATCH: Final = 500
"""Rows in one step."""
POLL_SECONDS: Final = 0.25
"""How long a message may wait whose wake-up was lost."""
_STANDBY_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 1.0
_PRUNE_SECONDS: Final = 60.0

# What passes: an engine that is restarting, or another owner.
_PASSING: Final = (*OUTAGES, RedisError, OutcryError)

Connection: TypeAlias = "asyncpg.Connection[Any]"
Hear: TypeAlias = Callable[
    [Callable[[str, bytes], None], Callable[[], Awaitable[None]]], Awaitable[None]
]
"""Listens to wake-ups until cancelled: `adapters.valkey.pubsub.listen` but for its first arguments."""


class FillCounter(Protocol):
    """Counts fills as they are published. Raises like the adapters: then the step is taken again."""

    async def count(self, fills: Mapping[dt.date, int]) -> None:
        """Take a batch's fills by their UTC day, before its rows are marked. Never empty.

        A step that is taken again, after whatever interrupted it, counts again.
        """

    async def tick(self, connection: Connection) -> None:
        """Do what is to be done under the publisher's lock; called about once a second.

        `connection` is the one that holds the lock.
        """


class PublisherStats(Struct):
    """What a publisher has done since it started."""

    messages: int = 0
    batches: int = 0
    interrupted: int = 0
    owned: int = 0
    lag_seconds: float = 0.0
    """From the oldest message of the last batch to the end of its step."""

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return counters and gauges for the role's status."""
        counters = {"messages_published": self.messages, "publisher_interrupted": self.interrupted}
        gauges = {"publisher_owned": self.owned, "publisher_lag_seconds": self.lag_seconds}
        return dict(counters), dict(gauges)


class Publisher:
    """Publishes for as long as it owns the outbox, and stands by for as long as it does not.

    Outages of PostgreSQL and Valkey are waited out; rows wait in the outbox meanwhile.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        history: UserHistory,
        counter: FillCounter | None = None,
        *,
        batch: int = BATCH,
    ) -> None:
        self._connect = connect
        self._history = history
        self._counter = counter
        self._batch = batch
        self._woken = asyncio.Event()
        self._tick_due = self._prune_due = 0.0
        self.stats = PublisherStats()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._woken.set()

    async def run(self, stop: asyncio.Event, hear: Hear | None = None) -> None:
        """Publish until `stop`; `hear` listens to `core.keys.OUTBOX_WAKE`."""
        listening = asyncio.ensure_future(hear(self._on_wake, self._on_heard)) if hear else None
        backoff = Backoff(first=0.1, most=5.0)
        try:
            while not stop.is_set():
                try:
                    await self._once(stop, backoff)
                except _PASSING as error:
                    delay = backoff.next()
                    self.stats.interrupted += 1
                    log.warning(
                        "publisher interrupted, trying again",
                        reason=f"{type(error).__name__}: {error}",
                        in_seconds=round(delay, 2),
                    )
                    await sleep(delay, stop)
        finally:
            if listening is not None:
                await end(listening)

    async def _once(self, stop: asyncio.Event, backoff: Backoff) -> None:
        connection = await self._connect()
        try:
            outbox = await Outbox.own(connection)
            if outbox is None:
                await sleep(_STANDBY_SECONDS, stop)
                return
            self.stats.owned = 1
            log.info("publisher owns the outbox")
            while not stop.is_set():
                self._woken.clear()
                published = await self._step(outbox)
                backoff.reset()
                await self._look_after(outbox)
                if published < self._batch:
                    await self._rest(stop)
        finally:
            self.stats.owned = 0
            await _close(connection)

    async def _step(self, outbox: Outbox) -> int:
        rows = await outbox.unpublished(self._batch)
        if not rows:
            return 0
        await self._history.append(outbox.epoch, by_user(rows, outbox.epoch))
        if self._counter is not None and (fills := fills_by_day(rows)):
            await self._counter.count(fills)
        await outbox.mark(rows)
        self.stats.messages += len(rows)
        self.stats.batches += 1
        self.stats.lag_seconds = max(0.0, time.time() - rows[0].time / 1e6)
        return len(rows)

    async def _look_after(self, outbox: Outbox) -> None:
        now = time.monotonic()
        if self._counter is not None and now >= self._tick_due:
            self._tick_due = now + _TICK_SECONDS
            await self._counter.tick(outbox.connection)
        if now >= self._prune_due:
            self._prune_due = now + _PRUNE_SECONDS
            await outbox.prune()

    async def _rest(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            return
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return

    def _on_wake(self, channel: str, message: bytes) -> None:  # noqa: ARG002  (the listener's names)
        self._woken.set()

    async def _on_heard(self) -> None:
        self._woken.set()


def by_user(rows: Sequence[Row], epoch: str) -> dict[int, list[Message]]:
    """Return each user's messages as they go over the wire, in the order of the rows."""
    messages: dict[int, list[Message]] = {}
    for row in rows:
        text = user_message(row.type, row.data, row.time, row.offset, epoch)
        messages.setdefault(row.user_id, []).append(Message(row.offset, text))
    return messages


def fills_by_day(rows: Sequence[Row]) -> dict[dt.date, int]:
    """Return how many fills the rows tell of, by UTC day."""
    return dict(Counter(fill_day(row.data, row.time) for row in rows if row.type == FILL))


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=2)
    except OUTAGES:
        connection.terminate()
