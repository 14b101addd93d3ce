"""What is expensive to know about tokens, kept as long as it is true: here, and in Valkey for all."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from openoutcry.adapters.tasks import sleep
from openoutcry.adapters.valkey.token_cache import Entry
from openoutcry.core.keys import token_cache_key
from openoutcry.services.shared_calls import SharedCalls

_log = structlog.get_logger(__name__)

CLEAN_SECONDS: Final = 15.0
"""How often what is too old is thrown away."""

_PATIENCE: Final = 0.3
_AWAY: Final = 2.0
_OVERHEAD: Final = 300
"""About how many bytes an entry takes beside its data."""


class Shared(Protocol):
    """Where entries are for all processes. Raises redis-py's errors."""

    async def read(self, keys: Sequence[str]) -> list[Entry | None]:
        """Return what there is for each key."""

    async def write(self, entries: Mapping[str, Entry], seconds: int) -> None:
        """Keep entries for so long."""

    async def clear(self) -> int:
        """Forget everything; return how much it was."""


class CacheStats(Struct):
    """What this process has got from where since it began, and what it gave up."""

    local_hits: int = 0
    shared_hits: int = 0
    misses: int = 0
    joined: int = 0
    expired: int = 0
    evicted: int = 0
    failures: int = 0
    round_trips: int = 0


class TokenCache:
    """Entries by token and kind, each of a version: another version is a miss, however young it is.

    So nothing is ever served that a commit has made wrong; who asks knows the version from the store.
    Of a token and kind the newest is kept, for at most `seconds`. Here at most about `most_bytes` are
    kept, and what was used longest ago goes first; a task (`run`) throws away what is too old. Keys
    that are wanted in one turn of the loop share a round trip. Who asks for what is being worked out
    waits for that. Without Valkey each process keeps its own.
    """

    def __init__(
        self,
        shared: Shared,
        seconds: int,
        most_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.stats = CacheStats()
        self.bytes = 0
        self._shared = shared
        self._seconds = seconds
        self._most = most_bytes
        self._clock = clock
        self._local: OrderedDict[str, Entry] = OrderedDict()
        self._calls = SharedCalls()
        self._asked: dict[str, asyncio.Future[Entry | None]] = {}
        self._flight: asyncio.Task[None] | None = None
        self._away_until = float("-inf")

    def __len__(self) -> int:
        return len(self._local)

    async def get(
        self,
        token: str,
        kind: str,
        version: str,
        make: Callable[[], Awaitable[bytes | None]],
    ) -> bytes | None:
        """Return something about a token (`0x…`) at a version; `make` works it out if nobody has.

        None that `make` returns is not kept.
        """
        key = token_cache_key(token, kind)
        entry = self._known(key, version)
        if entry is not None:
            self.stats.local_hits += 1
            return entry.data
        found = self._calls.get((key, version), lambda: self._find(key, version, make))
        try:
            return await found
        finally:
            self.stats.joined = self._calls.shared

    async def clear(self) -> int:
        """Forget everything here and in Valkey; return how many entries that were, here or there."""
        here = len(self._local)
        self._local.clear()
        self.bytes = 0
        try:
            return max(here, await self._shared.clear())
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return here

    async def run(self, stop: asyncio.Event) -> None:
        """Throw away what is too old, again and again, until `stop`."""
        while not stop.is_set():
            await sleep(CLEAN_SECONDS, stop)
            self.clean()

    def clean(self) -> None:
        """Throw away what is too old."""
        now = self._clock()
        for key in [key for key, entry in self._local.items() if entry.until <= now]:
            self._forget(key)
            self.stats.expired += 1

    def _known(self, key: str, version: str) -> Entry | None:
        entry = self._local.get(key)
        if entry is None or entry.version != version or entry.until <= self._clock():
            return None
        self._local.move_to_end(key)
        return entry

    async def _find(
        self, key: str, version: str, make: Callable[[], Awaitable[bytes | None]]
    ) -> bytes | None:
        now = self._clock()
        shared = await self._ask(key)
        # A clock that is ahead elsewhere must not keep an entry for longer.
        if shared is not None and shared.version == version and now < shared.until:
            self.stats.shared_hits += 1
            until = min(shared.until, now + self._seconds)
            self._keep(key, Entry(version, until, shared.data))
            return shared.data
        self.stats.misses += 1
        data = await make()
        if data is not None:
            entry = Entry(version, now + self._seconds, data)
            self._keep(key, entry)
            await self._tell(key, entry)
        return data

    def _keep(self, key: str, entry: Entry) -> None:
        self._forget(key)
        self._local[key] = entry
        self.bytes += _size(key, entry)
        while self.bytes > self._most and self._local:
            self._forget(next(iter(self._local)))
            self.stats.evicted += 1

    def _forget(self, key: str) -> None:
        entry = self._local.pop(key, None)
        if entry is not None:
            self.bytes -= _size(key, entry)

    # --- Valkey -----------------------------------------------------------------------------------

    async def _ask(self, key: str) -> Entry | None:
        if self._clock() < self._away_until:
            return None
        waiting = self._asked.get(key)
        if waiting is None:
            waiting = self._asked[key] = asyncio.get_running_loop().create_future()
            if self._flight is None:
                self._flight = asyncio.create_task(self._fly())
        return await waiting

    async def _fly(self) -> None:
        """Ask for what is wanted, one round trip after the other, until nothing is."""
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                for waiting, entry in zip(
                    asked.values(), await self._read(list(asked)), strict=True
                ):
                    if not waiting.done():
                        waiting.set_result(entry)
        finally:
            self._flight = None

    async def _read(self, keys: list[str]) -> list[Entry | None]:
        self.stats.round_trips += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._shared.read(keys)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return [None] * len(keys)

    async def _tell(self, key: str, entry: Entry) -> None:
        if self._clock() < self._away_until:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._shared.write({key: entry}, self._seconds)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        self.stats.failures += 1
        self._away_until = self._clock() + _AWAY
        _log.info("tokens are cached by each process alone", reason=str(error) or "no answer")


def _size(key: str, entry: Entry) -> int:
    return len(key) + len(entry.data) + _OVERHEAD
