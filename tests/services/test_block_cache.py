"""What is kept in memory is what is stored: commits, outages and races cannot make it lie."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

import storekit
import tape
from openoutcry.adapters.postgres.block_reader import Block, BlockReader, Kind, Run, block_start
from openoutcry.core.candle_messages import Committed
from openoutcry.core.coverage import Coverage
from openoutcry.core.coverage import Span as Known
from openoutcry.core.intervals import HOUR, INTERVALS, MINUTE, SECOND, Interval
from openoutcry.core.keys import COMMITS
from openoutcry.model import Instrument
from openoutcry.services.announcer import Announcer
from openoutcry.services.block_cache import BlockCache
from openoutcry.services.candle_pages import DirectBlocks, PageReader
from openoutcry.services.commit_news import CommitNews
from openoutcry.services.ready_pages import Page, ReadyPages
from openoutcry.web.hub.sources import ValkeyBus
from storekit import Clock
from tape import Print, frame_of, heard, until

BTC = Instrument(1, "binance", "BTCUSDT", "BTC", "USDT", 2, 5)
START = 1_723_161_600_000_000 - HOUR
MINUTES = INTERVALS["1m"]


class Gated(BlockReader):
    """A reader that counts, and waits before it hands out what it has read."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(
        self, instrument: int, interval: Interval, kind: Kind, run: Run, coverage: Coverage
    ) -> list[Block]:
        self.reads += 1
        found = await super().read(instrument, interval, kind, run, coverage)
        await self.gate.wait()
        return found

    async def asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(30):
            while self.reads < times:
                await asyncio.sleep(0.01)


async def one(cache: BlockCache, at: int = START) -> Block:
    run = Run(block_start(MINUTES, at), 1)
    (block,) = await cache.get(BTC, MINUTES, Kind.KLINES, run)
    return block


@pytest.fixture
async def reader(store: asyncpg.Pool, valkey: Redis, database_url: str) -> Gated:
    """A reader of a market with a trade in every minute of an hour, all heard."""
    await storekit.register(database_url, "BTCUSDT")
    prints = [Print(1, n + 1, START + n * MINUTE) for n in range(60)]
    await storekit.record(valkey, database_url, frame_of(prints), heard(1, START, START + HOUR, 60))
    return Gated(store)


@pytest.fixture
def cache(reader: Gated) -> BlockCache:
    """A cache that hears BTCUSDT and has just been confirmed."""
    made = BlockCache(reader, 1 << 20)
    made.hear("BTCUSDT")
    made.confirm(time.monotonic() + 3600)
    return made


async def test_many_callers_share_one_question(cache: BlockCache, reader: Gated) -> None:
    """However many want a block at once, the store is asked once; then not at all."""
    reader.gate.clear()
    asking = [asyncio.create_task(one(cache)) for _ in range(50)]
    await asyncio.sleep(0.05)
    asking[0].cancel()
    reader.gate.set()
    found = await asyncio.gather(*asking[1:])
    assert reader.reads == 1
    assert all(block is found[0] for block in found)
    assert await one(cache) is found[0]
    assert (reader.reads, cache.misses) == (1, 1)


async def test_a_change_voids_what_reaches_past_it(cache: BlockCache, reader: Gated) -> None:
    """Blocks that end before the change stay; the others are read anew."""
    coverage = (await one(cache)).coverage
    first, second = await one(cache), await one(cache, START + HOUR + 10 * MINUTE)
    assert first.end == second.start
    cache.changed("BTCUSDT", first.end, coverage)
    assert await one(cache) is first
    assert await one(cache, second.start) is not second
    cache.changed("BTCUSDT", first.end - 1, coverage)
    assert await one(cache) is not first
    cache.changed("BTCUSDT", None, coverage)
    assert reader.reads == 4
    await one(cache)
    assert reader.reads == 4


async def test_knowing_more_or_less_is_a_change_too(cache: BlockCache, reader: Gated) -> None:
    """A gap, or a span that grew, voids from where it differs on."""
    block = await one(cache)
    known = block.coverage
    (span,) = known.spans
    grown = Coverage((Known(0, span.start, span.end + HOUR),))
    cache.changed("BTCUSDT", None, grown)
    again = await one(cache)
    assert (again is block) == (span.end >= block.end)
    gap = (block.start + MINUTE, block.start + 2 * MINUTE)
    cache.changed("BTCUSDT", None, Coverage(grown.spans, (gap,)))
    assert await one(cache) is not again
    assert reader.reads >= 2


async def test_what_was_void_before_it_was_read_is_not_kept(
    cache: BlockCache, reader: Gated
) -> None:
    """A block read while its time changes goes to who waited for it, and to nobody after."""
    await one(cache, START + 9 * HOUR)
    coverage = await reader.coverage(1)
    reader.gate.clear()
    asking = asyncio.create_task(one(cache))
    await reader.asked(2)
    cache.changed("BTCUSDT", START, coverage)
    later = asyncio.create_task(one(cache))
    await reader.asked(3)
    reader.gate.set()
    assert await asking is not await later
    assert await one(cache) is await later
    assert reader.reads == 3


async def test_nothing_is_served_that_was_not_confirmed(reader: Gated) -> None:
    """Before it hears a symbol, and when it was not confirmed for a second, it asks the store."""
    cache = BlockCache(reader, 1 << 20)
    assert await one(cache) is not await one(cache)
    assert cache.wanted == {"BTCUSDT"}
    cache.hear("BTCUSDT")
    assert await one(cache) is not await one(cache)
    cache.confirm(time.monotonic())
    assert await one(cache) is await one(cache)
    cache.confirm(time.monotonic() - 1.1)
    assert await one(cache) is not await one(cache)
    cache.confirm(time.monotonic())
    cache.clear(deaf=True)
    assert await one(cache) is not await one(cache)


async def test_memory_has_a_bound(reader: Gated) -> None:
    """The blocks unused for longest go; what is counted is what is kept."""
    cache = BlockCache(reader, 30_000)
    cache.hear("BTCUSDT")
    cache.confirm(time.monotonic() + 3600)
    first = await one(cache)
    for n in range(200):
        await one(cache, START - n * 64 * MINUTE)
        assert await one(cache) is first
    assert cache.bytes <= 30_000
    cache.clear(deaf=False)
    assert cache.bytes == 0


@asynccontextmanager
async def listening(url: str, pool: asyncpg.Pool, cache: BlockCache) -> AsyncIterator[CommitNews]:
    """Run a bus and what listens to it, as an API process does."""
    bus = ValkeyBus(url)
    news = CommitNews(bus, pool, cache, Clock(START))
    stop = asyncio.Event()
    tasks = [asyncio.create_task(bus.run(news)), asyncio.create_task(news.run(stop))]
    try:
        yield news
    finally:
        stop.set()
        await tasks[1]
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def announcing(url: str, valkey: Redis) -> AsyncIterator[Announcer]:
    """Run an announcer."""

    async def dial() -> asyncpg.Connection[Any]:
        return await asyncpg.connect(url)

    announcer, stop = Announcer(dial, valkey), asyncio.Event()
    task = asyncio.create_task(announcer.run(stop))
    try:
        yield announcer
    finally:
        stop.set()
        await task


async def page(reader: PageReader, name: str, now: int, *, klines: bool) -> Page:
    if klines:
        return await reader.klines(BTC, INTERVALS[name], (None, None), 200, now)
    return await reader.candles(BTC, INTERVALS[name], START - HOUR, now + HOUR, 1000)


async def test_pages_follow_the_commits(
    store: asyncpg.Pool, valkey: Redis, valkey_url: str, database_url: str
) -> None:
    """While trades come in, late ones and gaps too, kept pages become the store's each time."""
    await storekit.register(database_url, "BTCUSDT")
    cache = BlockCache(BlockReader(store), 1 << 20)
    kept = PageReader(cache, ReadyPages(1 << 20))
    fresh = PageReader(DirectBlocks(BlockReader(store), ttl=0), ReadyPages(0))
    rng, number, now = random.Random(1), 1, START

    async def agree() -> bool:
        for name in ("1s", "1m", "15m", "1h", "1d"):
            for klines in (True, False):
                one = await page(kept, name, now, klines=klines)
                other = await page(fresh, name, now, klines=klines)
                if (one.rows, one.starts, one.known) != (other.rows, other.starts, other.known):
                    return False
        return True

    async with (
        listening(valkey_url, store, cache),
        announcing(database_url, valkey) as announcer,
        storekit.recording(valkey, database_url, announcer),
    ):
        for turn in range(25):
            count = rng.randrange(1, 30)
            made = [Print(1, number + n, now + n * 800_000, 100 + number + n) for n in range(count)]
            number, now = number + count, made[-1].time
            late = made.pop(rng.randrange(count)) if turn % 5 == 3 and count > 1 else None
            frames = [frame_of(made)] if made else []
            if turn % 3 == 0:
                now += rng.choice((2, 90, 4000)) * SECOND
                frames.append(heard(1, made[-1].time if made else now, now, number - 1))
            await tape.put(valkey, *frames)
            await until(lambda: tape.drained(valkey))
            await until(agree)
            if late is not None:
                await tape.put(valkey, tape.verified(1, late.trade_id, late.trade_id, [late]))
                await until(lambda: tape.drained(valkey))
                await until(agree)
        before = cache.misses
        for _ in range(20):
            assert await agree()
        assert cache.misses - before <= 20
        assert cache.hits > 100


async def test_commits_that_nobody_announced_are_noticed(
    store: asyncpg.Pool, valkey: Redis, valkey_url: str, database_url: str
) -> None:
    """A recorder that dies before it announces leaves nothing outdated for longer than a moment."""
    await storekit.register(database_url, "BTCUSDT")
    cache = BlockCache(BlockReader(store), 1 << 20)
    kept = PageReader(cache, ReadyPages(1 << 20))

    async def rows() -> int:
        return len((await page(kept, "1m", START + HOUR, klines=False)).rows)

    async def is_kept() -> bool:
        before = cache.misses
        await rows()
        return cache.misses == before

    async with listening(valkey_url, store, cache):
        await until(is_kept)
        for turn in range(3):
            await storekit.record(
                valkey, database_url, frame_of([Print(1, turn + 1, START + turn * MINUTE)])
            )

            async def follows(expected: int = turn + 1) -> bool:
                return await rows() == expected

            await until(follows)
            await until(is_kept)


async def test_a_step_that_was_missed_voids_everything(
    store: asyncpg.Pool, valkey_url: str, cache: BlockCache
) -> None:
    """Announcements name the commit that they follow: a hole in them means that some were lost."""
    news = CommitNews(ValkeyBus(valkey_url), store, cache, Clock(START))

    def told(after: str, entry: str) -> None:
        news.on_message(COMMITS, msgspec.json.encode(Committed("s", after, entry)))

    told("", "5-0")
    block = await one(cache)
    told("5-0", "6-0")
    told("6-0", "6-1")
    assert await one(cache) is block
    told("7-0", "8-0")
    again = await one(cache)
    assert again is not block
    told("", "9-0")
    assert await one(cache) is not again


async def test_announced_steps_are_one_after_the_other(
    valkey: Redis, valkey_url: str, database_url: str
) -> None:
    """Each tells where the one before ended, conflated or not; only a recorder's first does not."""
    await storekit.register(database_url, "BTCUSDT")
    steps: list[Committed] = []

    class Ear:
        def on_message(self, _channel: str, data: bytes) -> None:
            steps.append(msgspec.json.decode(data, type=Committed))

        async def on_connected(self) -> None:
            return

    bus = ValkeyBus(valkey_url)
    bus.want(COMMITS)
    hearing = asyncio.create_task(bus.run(Ear()))
    await bus.heard(COMMITS)
    async with (
        announcing(database_url, valkey) as announcer,
        storekit.recording(valkey, database_url, announcer),
    ):
        for turn in range(5):
            ids = await tape.put(valkey, frame_of([Print(1, turn + 1, START + turn)]))
            await until(lambda: tape.drained(valkey))
        newest = ids[-1].decode()

        async def told() -> bool:
            return bool(steps and steps[-1].entry == newest)

        await until(told)
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    assert steps[0].after == ""
    assert [step.after for step in steps[1:]] == [step.entry for step in steps[:-1]]


async def test_a_lost_bus_keeps_nothing(
    store: asyncpg.Pool, valkey: Redis, valkey_url: str, database_url: str
) -> None:
    """When the connection to the bus breaks what was kept is void, and kept again later."""
    await storekit.register(database_url, "BTCUSDT")
    await storekit.record(valkey, database_url, frame_of([Print(1, 1, START)]))
    cache = BlockCache(BlockReader(store), 1 << 20)

    async def is_kept() -> bool:
        return await one(cache) is await one(cache)

    async with listening(valkey_url, store, cache):
        await until(is_kept)
        before = await one(cache)
        await valkey.client_kill_filter(_type="pubsub")
        await until(is_kept)

        async def is_new() -> bool:
            return await one(cache) is not before

        await until(is_new)
