"""The cache of tokens: true, bounded, shared, and of use without Valkey as well."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ValkeyConnectionError

from openoutcry.adapters.valkey.token_cache import Entry, SharedEntries
from openoutcry.core.keys import token_cache_key
from openoutcry.services import token_cache
from openoutcry.services.token_cache import TokenCache

TOKEN = "0x" + "ab" * 20


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Valkey however busy the machine is."""
    monkeypatch.setattr(token_cache, "_PATIENCE", 30.0)


class Maker:
    """Counts how often something was worked out."""

    def __init__(self, data: bytes | None = b"data") -> None:
        self.calls = 0
        self.data = data
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> bytes | None:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        return self.data


class Away:
    """A Valkey that cannot be reached."""

    def __init__(self) -> None:
        self.tries = 0

    async def read(self, keys: Sequence[str]) -> list[Entry | None]:
        """Fail."""
        del keys
        self.tries += 1
        raise ValkeyConnectionError("gone")

    async def write(self, entries: Mapping[str, Entry], seconds: int) -> None:
        """Fail."""
        del entries, seconds
        raise ValkeyConnectionError("gone")

    async def clear(self) -> int:
        """Fail."""
        raise ValkeyConnectionError("gone")


def cache_of(valkey: Redis, seconds: int = 300, most: int = 1 << 20) -> TokenCache:
    """Return the cache of one process."""
    return TokenCache(SharedEntries(valkey), seconds, most)


async def test_worked_out_once_for_all_processes(valkey: Redis) -> None:
    """The second time it is here, in another process it comes from Valkey."""
    one, other, make = cache_of(valkey), cache_of(valkey), Maker()
    for cache in (one, one, other, other):
        assert await cache.get(TOKEN, "sizes", "v1", make) == b"data"
    assert make.calls == 1
    assert (one.stats.misses, one.stats.local_hits, one.stats.shared_hits) == (1, 1, 0)
    assert (other.stats.misses, other.stats.local_hits, other.stats.shared_hits) == (0, 1, 1)


async def test_another_version_is_a_miss(valkey: Redis) -> None:
    """What a commit has made wrong is not served, not from here and not from Valkey."""
    one, other, make = cache_of(valkey), cache_of(valkey), Maker(b"old")
    await one.get(TOKEN, "sizes", "v1", make)
    make.data = b"new"
    assert await other.get(TOKEN, "sizes", "v2", make) == b"new"
    assert await one.get(TOKEN, "sizes", "v2", make) == b"new"
    assert make.calls == 2
    assert len(one) == 1, "of a token and kind the newest is kept"


async def test_it_is_forgotten_in_time(valkey: Redis) -> None:
    """After its time it is worked out anew; Valkey forgets it by itself; a task cleans up."""
    now = 1_000_000.0
    cache = TokenCache(SharedEntries(valkey), 300, 1 << 20, clock=lambda: now)
    make = Maker()
    await cache.get(TOKEN, "sizes", "v1", make)
    key = token_cache_key(TOKEN, "sizes")
    assert 290 <= await valkey.ttl(key) <= 300
    now += 299
    await cache.get(TOKEN, "sizes", "v1", make)
    assert make.calls == 1
    now += 1
    cache.clean()
    assert (len(cache), cache.bytes, cache.stats.expired) == (0, 0, 1)
    await cache.get(TOKEN, "sizes", "v1", make)
    assert make.calls == 2, "Valkey's own copy is too old as well"


async def test_those_who_ask_at_once_wait_for_one(valkey: Redis) -> None:
    """A hundred readers of what is not there yet make one question."""
    cache, make = cache_of(valkey), Maker()
    make.gate = asyncio.Event()
    asking = [asyncio.create_task(cache.get(TOKEN, "sizes", "v1", make)) for _ in range(100)]
    await asyncio.sleep(0.05)
    make.gate.set()
    assert await asyncio.gather(*asking) == [b"data"] * 100
    assert (make.calls, cache.stats.misses, cache.stats.joined) == (1, 1, 99)


async def test_many_keys_share_a_round_trip(valkey: Redis) -> None:
    """What is wanted at once is asked of Valkey at once."""
    one, other, make = cache_of(valkey), cache_of(valkey), Maker()
    tokens = [f"0x{number:040x}" for number in range(50)]
    await asyncio.gather(*(one.get(each, "sizes", "v1", make) for each in tokens))
    await asyncio.gather(*(other.get(each, "sizes", "v1", make) for each in tokens))
    assert other.stats.shared_hits == 50
    assert other.stats.round_trips <= 2


async def test_memory_is_bounded(valkey: Redis) -> None:
    """What was used longest ago goes when there is too much."""
    cache, make = cache_of(valkey, most=10_000), Maker(b"x" * 1_000)
    for number in range(20):
        await cache.get(f"0x{number:040x}", "sizes", "v1", make)
        await cache.get(f"0x{0:040x}", "sizes", "v1", make)
    assert cache.bytes <= 10_000
    assert 5 <= len(cache) <= 10
    assert cache.stats.evicted == 20 - len(cache)
    before = cache.stats.local_hits
    await cache.get(f"0x{0:040x}", "sizes", "v1", make)
    assert cache.stats.local_hits == before + 1, "what was used all the time is still there"


async def test_without_valkey_each_keeps_its_own() -> None:
    """An outage costs one try in a while, and nobody an answer."""
    away, make = Away(), Maker()
    cache = TokenCache(away, 300, 1 << 20)
    for number in range(10):
        assert await cache.get(f"0x{number:040x}", "sizes", "v1", make) == b"data"
    assert await cache.get(f"0x{0:040x}", "sizes", "v1", make) == b"data"
    assert (make.calls, away.tries) == (10, 1)
    assert cache.stats.failures >= 1
    assert await cache.clear() == 10


async def test_nothing_is_not_kept_and_errors_are_told(valkey: Redis) -> None:
    """Who could not find out does not keep others from trying; all who wait get the error."""
    cache, make = cache_of(valkey), Maker(None)
    assert await cache.get(TOKEN, "supply", "v1", make) is None
    assert await cache.get(TOKEN, "supply", "v1", make) is None
    assert make.calls == 2

    async def broken() -> bytes:
        await asyncio.sleep(0)
        raise ValueError("no")

    asking = [cache.get(TOKEN, "sizes", "v1", broken) for _ in range(3)]
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in found] == [ValueError] * 3


async def test_clearing(valkey: Redis) -> None:
    """Cleared is cleared, here and in Valkey, and nothing else there."""
    cache, make = cache_of(valkey), Maker()
    await valkey.set("other", b"stays")
    for number in range(5):
        await cache.get(f"0x{number:040x}", "sizes", "v1", make)
    assert await cache.clear() == 5
    assert (len(cache), cache.bytes) == (0, 0)
    assert [key async for key in valkey.scan_iter("*")] == [b"other"]
    await cache.get(f"0x{0:040x}", "sizes", "v1", make)
    assert make.calls == 6


@pytest.mark.parametrize("nonsense", [b"", b"\xff", b"\x93\x01\x02\x03", b"text"])
async def test_what_cannot_be_read_is_a_miss(valkey: Redis, nonsense: bytes) -> None:
    """Whatever stands under the key, the answer is right."""
    await valkey.set(token_cache_key(TOKEN, "sizes"), nonsense)
    assert await cache_of(valkey).get(TOKEN, "sizes", "v1", Maker()) == b"data"
