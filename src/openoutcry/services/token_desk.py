"""Everything that is answered about tokens: exact figures from the store, the rest as it is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.chain.rpc import Caller
from openoutcry.adapters.postgres import token_charts, token_moments, token_quick, token_reader
from openoutcry.adapters.postgres.pool import Connection, Pool, Source, connection, run
from openoutcry.adapters.postgres.token_moments import Largest, Standing
from openoutcry.adapters.postgres.token_reader import HolderCursor, TradeCursor
from openoutcry.adapters.valkey.token_cache import SharedEntries
from openoutcry.core.chain import hexes
from openoutcry.core.chain.descriptions import Launchpad
from openoutcry.core.intervals import HOUR, Interval
from openoutcry.core.tokens.confirming import Claim, unknown_token
from openoutcry.services.chain_door import ChainDoor
from openoutcry.services.token_cache import TokenCache
from openoutcry.services.token_confirm import Confirmer
from openoutcry.services.token_lists import TokenLists
from openoutcry.services.token_news import TokenNews
from openoutcry.services.token_supply import ChainSupply
from openoutcry.tokens import (
    LENGTHS,
    CountedTrade,
    Holder,
    SizeClass,
    TokenCandle,
    VolumeBucket,
    Window,
)

T = TypeVar("T")

_MINUTE: Final = 60_000_000
_SETTLING: Final = 2 * _MINUTE
"""What ends later than this before now changes with each block: only the primary is asked for it."""


class DeskOptions(Struct, frozen=True, kw_only=True):
    """What can be configured: seconds and bytes of the cache, how deep a confirmed trade has to be."""

    cache_seconds: int = 300
    cache_bytes: int = 16 << 20
    confirmations: int = 1


class Capital(Struct, frozen=True):
    """A token with the supply that its market cap is of, None for the stored one, and of which block."""

    standing: Standing
    supply: int | None
    block: int | None


class Distribution(Struct, frozen=True):
    """When a token was traded in a window, by whole hours, and in which sizes."""

    hours: list[VolumeBucket]
    sizes: list[SizeClass]


class _Supply(Struct, frozen=True, array_like=True):
    amount: int
    block: int


class TokenDesk:
    """What an API process knows of tokens. `run` is what has to go on beside it.

    Every method raises StoreUnavailableError, and NotFoundError for a token that there is not.
    `reads` is a pool for what is asked most (`token_quick.GENERIC`), `pool` does without it. What is
    not of this moment, and what is expensive, is read by way of `history`. `clock` returns µs since
    1970.
    """

    def __init__(
        self,
        pool: Pool,
        valkey: Redis,
        callers: Sequence[Caller],
        launchpads: Sequence[Launchpad],
        options: DeskOptions | None = None,
        *,
        reads: Pool | None = None,
        history: Source | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        options = options or DeskOptions()
        door = ChainDoor(pool, callers, launchpads)
        self.clock = clock
        self.news = TokenNews(valkey, pool, top=False, clock=clock)
        self.lists = TokenLists(pool, clock, reads)
        self.supplies = ChainSupply(door.nodes, launchpads)
        self.cache = TokenCache(SharedEntries(valkey), options.cache_seconds, options.cache_bytes)
        self.confirmer = Confirmer(pool, door, self.news, options.confirmations, clock)
        self._pool = pool
        self._reads = reads or pool
        self._history = history or pool

    async def run(self, stop: asyncio.Event) -> None:
        """Publish what confirmations bring, and keep the cache small, until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.news.run(stop))
            tasks.create_task(self.cache.run(stop))

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return counters and gauges, as a role reports them."""
        stats, lists, confirmer = self.cache.stats, self.lists, self.confirmer
        counters: dict[str, float] = {
            **{f"token_cache_{name}": each for name, each in msgspec.structs.asdict(stats).items()},
            "token_lists_hits": lists.hits,
            "token_lists_misses": lists.misses,
            "token_confirms_recorded": confirmer.recorded,
            "token_confirms_known": confirmer.known,
            "token_confirms_shared": confirmer.shared,
            "token_supplies_asked": self.supplies.asked,
            "token_supplies_failed": self.supplies.failed,
        }
        gauges: dict[str, float] = {
            "token_cache_bytes": self.cache.bytes,
            "token_cache_entries": len(self.cache),
        }
        return counters, gauges

    async def token(self, address: bytes) -> Standing:
        """Return a token as it stands now."""
        now = self.clock()
        async with connection(self._reads) as lent:
            quick = await token_quick.read_one(lent, address, now)
        if quick is not None:
            found = token_moments.standing_of(quick)
        else:
            async with connection(self._pool) as lent:
                found = await token_moments.read_standing(lent, address, now)
        if found is None:
            raise unknown_token(address)
        return found

    async def capital(self, address: bytes) -> Capital:
        """Return a token with what circulates of it, as the chain says, or else the store."""
        return await self._capital(await self.token(address))

    async def confirm(self, claim: Claim) -> Capital:
        """Record a trade; return its token with it. Raises as `Confirmer` does."""
        return await self._capital(await self.confirmer.confirm(claim))

    async def _capital(self, standing: Standing) -> Capital:
        token, block = standing.ranked.token, standing.block
        if block is None or token.price is None:
            return Capital(standing, None, block)

        async def ask() -> bytes | None:
            told = await self.supplies.of(token.address, token.launchpad, block)
            return None if told is None else msgspec.json.encode(_Supply(told, block))

        found = await self.cache.get(hexes.show(token.address), "supply", standing.version, ask)
        if found is None:
            return Capital(standing, None, block)
        supply = msgspec.json.decode(found, type=_Supply)
        return Capital(standing, supply.amount, supply.block)

    async def distribution(self, address: bytes, window: Window) -> Distribution:
        """Return how a token's volume of a window is spread; what leaves it may be a minute late."""
        standing = await self.token(address)
        now = self.clock()
        minute = now - now % _MINUTE

        async def ask(lent: Connection) -> Distribution:
            since = minute - LENGTHS[window]
            async with token_reader.picture(lent):
                return Distribution(
                    await token_charts.read_token_hours(
                        lent, address, since - since % HOUR, now + HOUR
                    ),
                    await token_charts.read_sizes(lent, address, since),
                )

        async def read() -> bytes:
            return msgspec.json.encode(await run(self._history, ask))

        version = f"{standing.version} {minute}"
        return await self._cached(address, f"sizes {window}", version, read, Distribution)

    async def holders(
        self, address: bytes, limit: int, after: HolderCursor | None
    ) -> tuple[Standing, list[Holder], Largest]:
        """Return a page of who holds a token, the largest first, and what the largest have together."""
        standing = await self.token(address)

        async def ask(lent: Connection) -> Largest:
            return await token_moments.read_largest(lent, standing.ranked.token.id)

        async def read() -> bytes:
            return msgspec.json.encode(await run(self._history, ask))

        async def page(lent: Connection) -> list[Holder]:
            return await token_reader.read_holders(lent, address, limit, after)

        rows = await run(self._history if after else self._pool, page)
        largest = await self._cached(address, "largest", standing.version, read, Largest)
        return standing, rows, largest

    async def trades(
        self, address: bytes, limit: int, before: TradeCursor | None
    ) -> tuple[Standing, list[CountedTrade]]:
        """Return a page of a token's trades, the newest first."""

        async def page(lent: Connection) -> tuple[Standing, list[CountedTrade]]:
            async with token_reader.picture(lent):
                standing = await token_moments.read_standing(lent, address, self.clock())
                if standing is None:
                    raise unknown_token(address)
                return standing, await token_reader.read_trades(lent, address, limit, before)

        return await run(self._history if before else self._pool, page)

    async def candles(
        self, address: bytes, interval: Interval, start: int, end: int, limit: int
    ) -> tuple[Standing, list[TokenCandle]]:
        """Return a token's first `limit` candles that start in start..end (µs, both inclusive)."""

        async def page(lent: Connection) -> tuple[Standing, list[TokenCandle]]:
            async with token_reader.picture(lent):
                standing = await token_moments.read_standing(lent, address, self.clock())
                if standing is None:
                    raise unknown_token(address)
                return standing, await token_charts.read_candles(
                    lent, address, interval, start, end, limit=limit
                )

        past = interval.next(interval.floor(end)) < self.clock() - _SETTLING
        return await run(self._history if past else self._pool, page)

    async def _cached(
        self, address: bytes, kind: str, version: str, read: Callable[[], Any], type_: type[T]
    ) -> T:
        found = await self.cache.get(hexes.show(address), kind, version, read)
        known: T = msgspec.json.decode(found or b"null", type=type_)
        return known
