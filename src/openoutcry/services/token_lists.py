"""Lists of tokens and the platform's sums, worked out once for all who ask at the same state of things.

Blocks are dated in whole seconds. So what is exact now changes with a commit, or when a whole second has
begun, and not between: the key is the store's version and the second. The version is read anew for each
answer (one row by its place; those who ask at once share it): no message has to arrive for an answer to
be right. Of each list one is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

from openoutcry.adapters.postgres import (
    token_charts,
    token_moments,
    token_quick,
    token_reader,
    token_search,
)
from openoutcry.adapters.postgres.pool import Pool, connection
from openoutcry.adapters.postgres.token_moments import Moment
from openoutcry.core.tokens.shapes import TokenItem, hour_item, token_item
from openoutcry.core.tokens.sought import Sought
from openoutcry.core.tokens.windows import last_of, second_of
from openoutcry.services.shared_calls import NextCall, SharedCalls
from openoutcry.tokens import DAY, Ranked, VolumeBucket, Volumes, Window
from openoutcry.venues.binance_server_data import Ready

MOST: Final = 500
FEW: Final = 50
MOST_BODIES: Final = 16

_SECOND: Final = 1_000_000
_HOUR: Final = 3600 * _SECOND
_DAYS: Final = 7

Order = Literal["24h", "7d", "total", "new"]


class Platform(Struct, frozen=True):
    """What all tokens together come to, and the hours of the last 7 days that had trades."""

    volumes: Volumes
    tokens: int
    trades: int
    hours: list[VolumeBucket]


class Kept(Struct):
    """An answer, and the state that it is of. `bodies` are answers made of it, by what was asked."""

    version: str
    second: int
    block: int | None
    tokens: list[TokenItem] = field(default_factory=list)
    platform: Platform | None = None
    bodies: dict[int, Ready] = field(default_factory=dict)

    def body(self, asked: int, make: Callable[[], bytes]) -> Ready:
        """Return the answer to `asked`, made once; at most MOST_BODIES are kept, and then none."""
        ready = self.bodies.get(asked)
        if ready is None:
            if len(self.bodies) >= MOST_BODIES:
                self.bodies.clear()
            ready = self.bodies[asked] = Ready(make())
        return ready


class TokenLists:
    """Answers from memory where that is exact. `clock` returns µs since 1970.

    `reads` is a pool for what has one good plan (`token_quick.GENERIC`).

    `hits` and `misses` count answers; a miss that others wait for counts once.
    """

    def __init__(self, pool: Pool, clock: Callable[[], int], reads: Pool | None = None) -> None:
        self.hits = self.misses = 0
        self._pool = pool
        self._reads = reads or pool
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self._moment = NextCall(self._read_moment)
        self._calls = SharedCalls()

    async def tokens(self, order: Order, limit: int) -> Kept:
        """Return at least `limit` tokens in an order, if there are so many.

        Raises StoreUnavailableError.
        """
        size = FEW if limit <= FEW else MOST

        async def make(second: int) -> Kept:
            window = None if order == "new" else Window(order)
            async with connection(self._reads) as lent:
                quick = await token_quick.read_list(lent, window, last_of(second), size)
            if quick is not None:
                return Kept(quick.version, second, quick.block, _items(quick.ranked))
            async with connection(self._pool) as lent, token_reader.picture(lent):
                moment = await token_moments.read_moment(lent)
                if window is None:
                    found = await token_reader.read_newest(lent, second, size)
                else:
                    found = await token_reader.read_top(lent, window, second, size)
            return Kept(moment.version, second, moment.block, _items(found))

        return await self._get(f"{order} {size}", make)

    async def found(self, sought: Sought, limit: int) -> Kept:
        """Return the first `limit` tokens that were sought, read for this answer alone.

        Raises StoreUnavailableError.
        """
        second = second_of(self._clock())
        async with connection(self._reads) as lent:
            told = await token_search.read_found(lent, sought, last_of(second), limit)
        if told is None:
            async with connection(self._pool) as lent:
                told = await token_search.read_found_slowly(lent, sought, second, limit)
        return Kept(told.version, second, told.block, _items(told.ranked))

    async def platform(self) -> Kept:
        """Return what all tokens together come to. Raises StoreUnavailableError."""
        return await self._get("platform", self._make_platform)

    async def _get(self, name: str, make: Callable[[int], Awaitable[Kept]]) -> Kept:
        second = second_of(self._clock())
        moment = await self._moment.get()
        kept = self._kept.get(name)
        if kept is not None and (kept.version, kept.second) == (moment.version, second):
            self.hits += 1
            return kept
        return await self._calls.get(
            (name, moment.version, second), lambda: self._made(name, make, second)
        )

    async def _made(self, name: str, make: Callable[[int], Awaitable[Kept]], second: int) -> Kept:
        self.misses += 1
        made = await make(second)
        before = self._kept.get(name)
        if before is None or before.second <= second:
            self._kept[name] = made
        return made

    async def _read_moment(self) -> Moment:
        async with connection(self._reads) as lent:
            return await token_moments.read_moment(lent)

    async def _make_platform(self, second: int) -> Kept:
        first = second - second % _HOUR - _DAYS * DAY
        async with connection(self._pool) as lent, token_reader.picture(lent):
            moment = await token_moments.read_moment(lent)
            volumes = await token_reader.read_platform(lent, second)
            tokens, trades = await token_moments.read_counts(lent)
            hours = await token_charts.read_hours(lent, first, second + DAY)
        platform = Platform(volumes, tokens, trades, hours)
        return Kept(moment.version, second, moment.block, platform=platform)


def _items(found: list[Ranked]) -> list[TokenItem]:
    return [token_item(each) for each in found]


def hours_json(hours: list[VolumeBucket]) -> list[msgspec.Raw]:
    """Return hours as JSON."""
    return [msgspec.Raw(msgspec.json.encode(hour_item(each))) for each in hours]
