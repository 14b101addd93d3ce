"""The publisher against real engines: what is committed is told once, in order, whatever dies."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.pubsub import listen
from openoutcry.adapters.valkey.user_history import Message, UserHistory
from openoutcry.core.keys import OUTBOX_WAKE, user_channel, user_history
from openoutcry.core.user_messages import position
from openoutcry.engines import Engines
from openoutcry.services import publisher as publisher_module
from openoutcry.services.publisher import Connection, Publisher
from outboxkit import add_trader, commit, epoch_of, fill

PROCESS = Path(__file__).parent / "publisher_process.py"


class Counted:
    """A counter that remembers what it was given."""

    def __init__(self) -> None:
        self.fills: list[Mapping[dt.date, int]] = []
        self.ticks = 0
        self.broken = False

    async def count(self, fills: Mapping[dt.date, int]) -> None:
        if self.broken:
            raise OSError("away")
        self.fills.append(fills)

    async def tick(self, connection: Connection) -> None:
        assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype='advisory'")
        self.ticks += 1


@asynccontextmanager
async def publishing(
    database_url: str, valkey: Redis, counter: Counted | None = None, **more: Any
) -> AsyncIterator[Publisher]:
    """Run a publisher meanwhile."""
    hear = more.pop("hear", None)

    async def dial() -> asyncpg.Connection:
        return await asyncpg.connect(database_url, timeout=5)

    publisher = Publisher(dial, UserHistory(valkey), counter, **more)
    stop = asyncio.Event()
    running = asyncio.create_task(publisher.run(stop, hear))
    try:
        yield publisher
    finally:
        stop.set()
        publisher.wake()
        await asyncio.wait_for(running, 30)


async def until(true: Callable[[], Awaitable[Any]], seconds: float = 45) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)


def drained(db: Any) -> Callable[[], Awaitable[bool]]:
    """Return what says whether every row has been marked."""

    async def none_left() -> bool:
        return not await db.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")

    return none_left


async def marked(db: Any) -> int:
    """Return how many rows have been marked."""
    return int(await db.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NOT NULL"))


async def told(valkey: Redis, user_id: int) -> list[Any]:
    """Return the user's history as JSON values."""
    found: Any = await valkey.xrange(user_history(user_id))
    return [json.loads(fields[b"m"]) for _, fields in found]


async def test_what_is_committed_is_told(
    database_url: str, db: asyncpg.Connection, valkey: Redis
) -> None:
    """A message is in the history under its position and on the channel in the same words."""
    ada, bob = await add_trader(db), await add_trader(db, "bob")
    async with valkey.pubsub() as heard, publishing(database_url, valkey):
        await heard.subscribe(user_channel(ada))
        await heard.get_message(timeout=30)
        await commit(db, ada, {"id": 1}, {"id": 2}, kind="bot_update")
        await commit(db, bob, {"id": 3})
        await until(drained(db))
        one, two = await told(valkey, ada)
        assert (one["type"], one["channel"], one["data"]) == ("bot_update", "user", {"id": 1})
        assert one["timestamp"].endswith("Z")
        assert (two["offset"], two["epoch"]) == (2, await epoch_of(db))
        entries: Any = await valkey.xrange(user_history(ada))
        assert [entry for entry, _ in entries] == [b"1-0", b"2-0"]
        for expected in (fields[b"m"] for _, fields in entries):
            message = await heard.get_message(timeout=30)
            assert message
            assert message["data"] == expected
        assert not await heard.get_message(timeout=0.1), "bob's is not ada's"
        assert [m["offset"] for m in await told(valkey, bob)] == [1]
        assert await valkey.ttl(user_history(ada)) > 6 * 86_400


async def test_a_wake_up_beats_the_clock(
    database_url: str,
    db: asyncpg.Connection,
    valkey: Redis,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Woken over the bus, the publisher does not wait for its next look, an hour from now."""
    monkeypatch.setattr(publisher_module, "POLL_SECONDS", 3600.0)
    ada = await add_trader(db)
    hear = partial(listen, valkey_url, (OUTBOX_WAKE,))
    async with publishing(database_url, valkey, hear=hear) as publisher:
        await until(lambda: _is(publisher.stats.owned))
        await until(lambda: heard_by(valkey, OUTBOX_WAKE))
        for number in range(1, 11):
            await commit(db, ada, number)
            await valkey.publish(OUTBOX_WAKE, b"")
            await until(drained(db))


async def heard_by(valkey: Redis, channel: str) -> bool:
    """Whether somebody listens to a channel."""
    return bool((await valkey.pubsub_numsub(channel))[0][1])


async def _is(value: object) -> bool:
    return bool(value)


async def test_one_at_a_time(database_url: str, db: asyncpg.Connection, valkey: Redis) -> None:
    """A second publisher stands by, and takes over when the first is gone."""
    ada = await add_trader(db)
    async with publishing(database_url, valkey) as second:
        await until(lambda: _is(second.stats.owned))
        async with publishing(database_url, valkey) as other:
            await commit(db, ada, 1)
            await until(drained(db))
            assert (other.stats.owned, other.stats.messages) == (0, 0)
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )
            await commit(db, ada, 2)
            await until(drained(db))
    assert [m["data"] for m in await told(valkey, ada)] == [1, 2]


async def test_fills_are_counted_by_their_day(
    database_url: str, db: asyncpg.Connection, valkey: Redis
) -> None:
    """The counter gets each batch's fills by UTC day before the rows are marked, and ticks."""
    ada = await add_trader(db)
    days = ["2026-01-01", "2026-01-02", "2026-01-02"]
    kinds = ["order_filled"] * 3 + ["order_update"]
    await commit(db, ada, *map(fill, days), {"client_order_id": "oo-1-1"}, kinds=kinds)
    counter = Counted()
    counter.broken = True
    async with publishing(database_url, valkey, counter) as publisher:
        await until(lambda: _is(publisher.stats.interrupted))
        assert not await drained(db)(), "what was not counted is not marked"
        counter.broken = False
        await until(drained(db))
        assert counter.fills == [{dt.date(2026, 1, 1): 1, dt.date(2026, 1, 2): 2}]
        await until(lambda: _is(counter.ticks))
    assert [m["offset"] for m in await told(valkey, ada)] == [1, 2, 3, 4]


async def test_append_leaves_out_what_is_there(valkey: Redis) -> None:
    """The same messages again are neither kept nor published again; another epoch begins anew."""
    history = UserHistory(valkey)
    messages = {7: [Message(n, b"%d" % n) for n in (1, 2)], 8: [Message(1, b"one")]}
    async with valkey.pubsub() as heard:
        await heard.subscribe(user_channel(7))
        assert await history.append("e", messages) == 3
        assert await history.append("e", {7: [*messages[7], Message(3, b"3")]}) == 1
        said = [await heard.get_message(timeout=30) for _ in range(4)]
        assert [m["data"] for m in said if m] == [1, b"1", b"2", b"3"]
        assert await heard.get_message(timeout=0.1) is None
    assert await history.between(7, "e", 2, 3) == [Message(2, b"2"), Message(3, b"3")]
    assert await history.between(7, "other", 2, 3) == []
    assert await history.between(7, "e", 3, 4) == [], "what is not whole is nothing"
    await history.append("f", {7: [Message(1, b"anew")]})
    assert await history.between(7, "f", 1, 1) == [Message(1, b"anew")]
    last = await history.last(7)
    assert last
    assert (last.offset, last.epoch) == (1, "f")
    assert await history.last(9) is None


async def test_a_history_is_bounded(valkey: Redis) -> None:
    """About as many messages stay as are to be kept, the newest of them."""
    history = UserHistory(valkey, kept=100)
    await history.append("e", {7: [Message(n, b"x") for n in range(1, 1001)]})
    assert 100 <= await valkey.xlen(user_history(7)) < 300
    assert await history.between(7, "e", 901, 1000)
    assert not await history.between(7, "e", 1, 1000)


async def test_killed_again_and_again(
    database_url: str, db: asyncpg.Connection, valkey: Redis, valkey_url: str
) -> None:
    """Publishers killed at random moments: each history has every message once, in order."""
    users = [await add_trader(db, f"user{n}") for n in range(5)]
    channels = [user_channel(user) for user in users]
    heard: dict[bytes, list[int]] = {channel.encode(): [] for channel in channels}

    async def listen_on() -> None:
        client = connect(valkey_url)
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(*channels)
            async for message in pubsub.listen():
                if message["type"] == "message":
                    heard[message["channel"]].append(position(message["data"]).offset)

    listening = asyncio.create_task(listen_on())

    async def work() -> None:
        for number in range(400):
            await commit(db, random.choice(users), *[number] * random.randint(1, 4))

    working = asyncio.create_task(work())
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as other:

        async def done() -> bool:
            return working.done() and await drained(other)()

        while not await done():
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(PROCESS), database_url, valkey_url, "7"
            )
            enough = await marked(other) + random.randint(1, 250)
            while await marked(other) < enough and not await done():
                await asyncio.sleep(random.uniform(0.0, 0.05))
            process.kill()
            await process.wait()
    await working
    for user in users:
        written = await db.fetchval("SELECT position FROM trading_accounts WHERE user_id=$1", user)
        assert [m["offset"] for m in await told(valkey, user)] == list(range(1, written + 1))
        assert heard[user_channel(user).encode()] == list(range(1, written + 1))
    listening.cancel()


async def test_valkey_away(
    database_url: str, db: asyncpg.Connection, valkey: Redis, alive: Engines
) -> None:
    """While Valkey is away rows wait; afterwards they are told, in order."""
    ada = await add_trader(db)
    assert alive.valkey
    async with publishing(database_url, valkey) as publisher:
        await commit(db, ada, 1)
        await until(drained(db))
        await alive.valkey.stop()
        await commit(db, ada, 2, 3)
        await until(lambda: _is(publisher.stats.interrupted))
        await alive.valkey.start()
        await until(drained(db), 30)
    offsets = [m["offset"] for m in await told(valkey, ada)]
    assert offsets[-2:] == [2, 3]
    assert offsets == sorted(set(offsets))


async def test_postgres_away(database_url: str, valkey: Redis, alive: Engines) -> None:
    """A restart of PostgreSQL is waited out."""
    assert alive.postgres
    db = await asyncpg.connect(database_url)
    ada = await add_trader(db)
    async with publishing(database_url, valkey) as publisher:
        await commit(db, ada, 1)
        await until(drained(db))
        await alive.postgres.stop()
        await until(lambda: _is(publisher.stats.interrupted))
        await alive.postgres.start()
        db = await asyncpg.connect(database_url)
        await commit(db, ada, 2)
        await until(drained(db), 30)
    await db.close()
    assert [m["data"] for m in await told(valkey, ada)] == [1, 2]


async def test_old_rows_go(database_url: str, db: asyncpg.Connection, valkey: Redis) -> None:
    """Rows that were published more than a day ago are deleted; those of today stay."""
    ada = await add_trader(db)
    await commit(db, ada, 1, 2, 3)
    old = "UPDATE outbox SET published_at = now() - interval '25 hours' WHERE position < 3"
    await db.execute(old)
    async with publishing(database_url, valkey):
        await until(drained(db))

        async def gone() -> bool:
            return [r[0] for r in await db.fetch("SELECT position FROM outbox")] == [3]

        await until(gone)
