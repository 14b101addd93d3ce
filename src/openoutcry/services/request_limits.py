"""How many requests an address may make: exact over all processes, one round trip for many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import chain
from typing import Final, TypeVar

import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from openoutcry.adapters.valkey.shared_logs import SharedLogs
from openoutcry.core.sliding_log import Rule, SlidingLog, Taken

T = TypeVar("T")

_log = structlog.get_logger(__name__)

WINDOW: Final = 60
"""Seconds of the window."""

# A permit counts for a little longer than its window. What is counted is the moment when Valkey decides;
# on its way to who measures, one answer may be late and the next one quick.
_GRACE: Final = 250_000

MOST_CLIENTS: Final = 50_000
"""Refused clients, and clients while Valkey is away, that a process remembers; the oldest goes first."""

# From the beginning of one round trip to that of the next, in seconds. A trip costs a hundred times what
# one more client in it does: a busy process gathers, an idle one asks at once.
_PACE: Final = 0.001
_PATIENCE: Final = 0.5
_AWAY: Final = 1_000_000
_WARN_EVERY: Final = 60_000_000


class Verdict(Struct, frozen=True, gc=False):
    """Whether a request is let through, how many more would be, and after how many µs one comes back."""

    allowed: bool
    left: int
    wait: int


def public_rule(most: int) -> Rule:
    """Return the rule of `/api/public`: so many in any minute."""
    return Rule(most, WINDOW * 1_000_000 + _GRACE)


class RequestLimits:
    """Lets at most `rule.most` requests of an address through in any window, in all processes together.

    Valkey keeps the one log by which this is decided. Requests that come while others are being asked
    for share the next round trip. A refusal is remembered until a permit comes back, for nothing else
    can bring one: who is over the limit costs no round trip at all.

    While Valkey is away each process counts alone, from nothing: nobody is refused for want of Valkey.
    In a window that touches an outage every process may let `rule.most` through, and Valkey as many.

    The queue of waiting requests is as long as there are connections, one request each.
    """

    def __init__(
        self,
        shared: SharedLogs,
        clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ) -> None:
        self.rule = shared.rule
        self.round_trips = self.refused = self.alone = 0
        self._shared = shared
        self._clock = clock
        self._refused_until: dict[str, int] = {}
        self._own: dict[str, SlidingLog] = {}
        self._waiting: dict[str, list[asyncio.Future[Verdict]]] = {}
        self._flight: asyncio.Task[None] | None = None
        self._away_until = 0
        self._warned = -_WARN_EVERY

    def known(self, client: str) -> Verdict | None:
        """Return the verdict if nobody has to be asked for it, and count it; None: use `take`."""
        now = self._clock()
        until = self._refused_until.get(client, 0)
        if now < until:
            self.refused += 1
            return Verdict(False, 0, until - now)
        return self._alone(client, now) if now < self._away_until else None

    async def take(self, client: str) -> Verdict:
        """Return the verdict of all processes together, within half a second, and count it."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(client)
        if waiting is None:
            self._waiting[client] = [verdict]
            if self._flight is None:
                self._flight = asyncio.create_task(self._fly())
        else:
            waiting.append(verdict)
        return await verdict

    async def _fly(self) -> None:
        """Ask for all who wait, one trip after the other, until nobody does."""
        try:
            while self._waiting:
                due = asyncio.get_running_loop().time() + _PACE
                await self._ask()
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        finally:
            self._flight = None

    async def _ask(self) -> None:
        asked, self._waiting = self._waiting, {}
        try:
            await self._answer(asked)
        except Exception as error:  # noqa: BLE001  (nobody may be left waiting)
            for verdict in chain(*asked.values()):
                if not verdict.done():
                    verdict.set_exception(error)

    async def _answer(self, asked: dict[str, list[asyncio.Future[Verdict]]]) -> None:
        wanted = {client: len(waiting) for client, waiting in asked.items()}
        self.round_trips += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                answers = await self._shared.take(wanted)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            answers = {}
        now = self._clock()
        for client, waiting in asked.items():
            self._tell(client, waiting, answers.get(client), now)

    def _tell(
        self, client: str, waiting: list[asyncio.Future[Verdict]], taken: Taken | None, now: int
    ) -> None:
        if taken is not None:
            if not taken.left:
                _put(self._refused_until, client, now + taken.wait)
            self.refused += len(waiting) - taken.granted
        for place, verdict in enumerate(waiting, start=1):
            if verdict.done():
                continue  # its client has gone
            if taken is None:
                verdict.set_result(self._alone(client, now))
            else:
                more = taken.granted - place
                verdict.set_result(Verdict(more >= 0, taken.left + max(0, more), taken.wait))

    def _alone(self, client: str, now: int) -> Verdict:
        """Decide by this process's own log."""
        self.alone += 1
        own = self._own.get(client)
        if own is None:
            own = SlidingLog()
            _put(self._own, client, own)
        taken = own.take(now, 1, self.rule)
        self.refused += not taken.granted
        return Verdict(bool(taken.granted), taken.left, taken.wait)

    def _lost(self, error: Exception) -> None:
        now = self._clock()
        self._away_until = now + _AWAY
        if now - self._warned >= _WARN_EVERY:
            self._warned = now
            _log.warning(
                "requests are counted by each process alone while Valkey is away",
                reason=str(error) or type(error).__name__,
            )


def _put(memory: dict[str, T], client: str, value: T) -> None:
    memory.pop(client, None)
    while len(memory) >= MOST_CLIENTS:
        del memory[next(iter(memory))]
    memory[client] = value
