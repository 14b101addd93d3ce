"""How many requests an address may make: exact over all processes, at the price of a shared round trip."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from openoutcry.adapters.valkey.shared_logs import SharedLogs
from openoutcry.core.sliding_log import Rule, SlidingLog, Taken

_log = structlog.get_logger(__name__)

WINDOW: Final = 60
"""Seconds of the window."""

# A permit counts for a little longer than its window. What is counted is the moment when Valkey decides;
# on its way to who measures, one answer may be late and the next one quick.
_GRACE: Final = 250_000

MOST_CLIENTS: Final = 50_000
"""Clients that a process remembers; the one that was not heard of for longest is forgotten first."""

# Round trips under way at once: who comes meanwhile waits for the next, together with all others.
_AT_ONCE: Final = 2
_PATIENCE: Final = 0.5
_AWAY: Final = 1_000_000
_WARN_EVERY: Final = 60_000_000


class Verdict(Struct, frozen=True, gc=False):
    """Whether a request is let through, how many more would be, and after how many µs one comes back."""

    allowed: bool
    left: int
    wait: int


class _Client:
    """What this process knows of a client: its own permits, and until when there is none anywhere."""

    __slots__ = ("log", "refused_until")

    def __init__(self) -> None:
        self.log = SlidingLog()
        self.refused_until = 0


def public_rule(most: int) -> Rule:
    """Return the rule of `/api/public`: so many in any minute."""
    return Rule(most, WINDOW * 1_000_000 + _GRACE)


class RequestLimits:
    """Lets at most `rule.most` requests of an address through in any window, in all processes together.

    Valkey keeps the one log by which this is decided. Requests that come while others are being asked
    for share the next round trip. A refusal is remembered until a permit comes back, for nothing else
    can bring one: who is over the limit costs no round trip at all.

    A process also keeps a log of its own, which must agree. So while Valkey is away, and after it has
    lost its memory, each process goes on by itself: N processes let N times as many through at the
    most, and nobody is refused for want of Valkey.

    The queue of waiting requests is as long as there are connections, at most one request each.
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
        self._clients: dict[str, _Client] = {}
        self._waiting: dict[str, list[asyncio.Future[Verdict]]] = {}
        self._flying: set[asyncio.Task[None]] = set()
        self._away_until = 0
        self._warned = -_WARN_EVERY

    def known(self, client: str) -> Verdict | None:
        """Return the verdict if nobody has to be asked for it, and count it; None: use `take`."""
        now = self._clock()
        known = self._clients.get(client)
        if known is not None and now < known.refused_until:
            self.refused += 1
            return Verdict(False, 0, known.refused_until - now)
        if now < self._away_until:
            return self._by_itself(client, now)
        return None

    async def take(self, client: str) -> Verdict:
        """Return the verdict of all processes together, within half a second, and count it."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(client)
        if waiting is None:
            self._waiting[client] = [verdict]
            if len(self._flying) < _AT_ONCE:
                flight = asyncio.create_task(self._fly())
                self._flying.add(flight)
                flight.add_done_callback(self._flying.discard)
        else:
            waiting.append(verdict)
        return await verdict

    async def _fly(self) -> None:
        """Ask for all who wait until nobody does."""
        while self._waiting:
            asked, self._waiting = self._waiting, {}
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
        known = self._remember(client)
        if taken is None:
            for verdict in waiting:
                if not verdict.done():
                    verdict.set_result(self._by_itself(client, now))
            return
        own = known.log.take(now, taken.granted, self.rule)
        granted, wait = own.granted, taken.wait
        left = min(taken.left, own.left)
        if granted < taken.granted:  # Valkey has forgotten what this process remembers
            left, wait = 0, own.wait
        if not left:
            known.refused_until = now + wait
        self.refused += len(waiting) - granted
        for place, verdict in enumerate(waiting):
            if not verdict.done():
                more = granted - place - 1
                verdict.set_result(Verdict(more >= 0, left + max(0, more), wait))

    def _by_itself(self, client: str, now: int) -> Verdict:
        """Decide by this process's own log."""
        self.alone += 1
        taken = self._remember(client).log.take(now, 1, self.rule)
        self.refused += not taken.granted
        return Verdict(bool(taken.granted), taken.left, taken.wait)

    def _remember(self, client: str) -> _Client:
        known = self._clients.pop(client, None) or _Client()
        while len(self._clients) >= MOST_CLIENTS:
            del self._clients[next(iter(self._clients))]
        self._clients[client] = known
        return known

    def _lost(self, error: Exception) -> None:
        now = self._clock()
        self._away_until = now + _AWAY
        if now - self._warned >= _WARN_EVERY:
            self._warned = now
            _log.warning(
                "requests are counted by each process alone while Valkey is away",
                reason=str(error) or type(error).__name__,
            )
