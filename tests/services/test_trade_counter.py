"""Counting with the publisher, comparing with the store, and making the counts anew."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec import Struct
from redis.asyncio import Redis

from fillkit import Filler
from openoutcry.adapters.postgres.outbox import Outbox
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.valkey.recounts import Recounts
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.adapters.valkey.user_history import UserHistory
from openoutcry.core.keys import STATS_TRADES_LAST, trade_count_key
from openoutcry.core.trade_stats import KEPT_DAYS, TradeStats, expiry, last_days
from openoutcry.services.publisher import Publisher
from openoutcry.services.trade_backfill import backfill
from openoutcry.services.trade_counter import EVERY, EVERY_WHOLE, TradeCounter


class House(Struct):
    """A store with a trader in it, and a counter whose clock is the test's."""

    db: asyncpg.Connection
    url: str
    counts: TradeCounts
    recounts: Recounts
    counter: TradeCounter
    ada: Filler
    today: date
    now: list[float]

    async def connect(self) -> Any:
        """Open another connection."""
        return await dial(self.url, application_name="test")

    async def counted(self) -> dict[date, int]:
        """Return all that is counted."""
        return (await self.counts.read(KEPT_DAYS)).counts

    async def compare(self) -> None:
        """Let the counter compare once: a tick begins, a later one corrects."""
        await self.counter.tick(self.db)
        await self.finish()

    @property
    def comparing(self) -> bool:
        """Whether a comparison is under way."""
        return self.counter._running is not None

    async def finish(self) -> None:
        """Let a comparison come to its end."""
        while self.comparing:
            await asyncio.sleep(0.01)
            await self.counter.tick(self.db)

    async def publish_all(self) -> None:
        """Do what a publisher's steps do."""
        outbox = await Outbox.own(self.db)
        assert outbox is not None
        rows = await outbox.unpublished(1000)
        days = Counter(
            date.fromisoformat(msgspec.json.decode(row.data)["fill"]["time"][:10]) for row in rows
        )
        await self.counter.count(days)
        await outbox.mark(rows)


@pytest.fixture
async def house(db: asyncpg.Connection, database_url: str, valkey: Redis) -> AsyncIterator[House]:
    """Everything but a publisher."""
    counts, recounts, now = TradeCounts(valkey), Recounts(valkey), [1_000.0]

    async def connect() -> Any:
        return await dial(database_url, application_name="test")

    counter = TradeCounter(counts, recounts, connect, clock=lambda: now[0])
    today = (await counts.read(1)).today
    ada = await Filler.make(db)
    yield House(db, database_url, counts, recounts, counter, ada, today, now)
    await counter.aclose()


async def test_a_comparison_knows_what_is_still_to_come(house: House) -> None:
    """Fills in the outbox are not counted before they are published, and then once."""
    days = last_days(house.today, 40)
    await house.ada.fill(house.db, [days[0], days[0], days[5], days[34], days[39]], told=False)
    await house.ada.fill(house.db, [days[0], days[5]])
    await house.compare()
    assert await house.counted() == {days[0]: 2, days[5]: 1, days[34]: 1}
    await house.publish_all()
    assert await house.counted() == {days[0]: 3, days[5]: 2, days[34]: 1}
    house.now[0] += EVERY_WHOLE
    await house.compare()
    assert await house.counted() == {days[0]: 3, days[5]: 2, days[34]: 1}


async def test_what_is_published_while_the_store_is_counted_is_added(house: House) -> None:
    """The count is of one moment; before it is used, what came since is added, seen in it or not."""
    await house.ada.fill(house.db, [house.today] * 3)
    await house.counter.tick(house.db)  # this moment: three fills, all in the outbox
    assert house.comparing
    await house.ada.fill(house.db, [house.today] * 2)
    await house.publish_all()
    await house.finish()
    assert await house.counted() == {house.today: 5}


async def test_drift_is_gone_within_a_minute(house: House, valkey: Redis) -> None:
    """A count that is off in either direction, today or yesterday, is set right; a day before too."""
    days = last_days(house.today, 10)
    await house.ada.fill(house.db, [days[0], days[1], days[9]], told=False)
    await house.compare()
    await house.counts.add({days[0]: 100, days[9]: 5})
    await valkey.delete(trade_count_key(days[1]))
    await house.compare()
    assert (await house.counted())[days[0]] == 101
    house.now[0] += EVERY
    await house.compare()
    assert await house.counted() == {days[0]: 1, days[1]: 1, days[9]: 6}
    house.now[0] += EVERY_WHOLE
    await house.compare()
    assert await house.counted() == dict.fromkeys((days[0], days[1], days[9]), 1)
    assert house.counter.corrected == 3 + 2 + 1


async def test_a_valkey_without_memory_is_told_at_once(house: House, valkey: Redis) -> None:
    """All days come back with the next ticks, with their expiries."""
    days = last_days(house.today, 10)
    await house.ada.fill(house.db, [days[0], days[9]], told=False)
    await house.compare()
    await valkey.flushall()
    await house.compare()
    assert await house.counted() == {days[0]: 1, days[9]: 1}
    assert await valkey.expiretime(trade_count_key(days[9])) == expiry(days[9])


async def test_figures_are_told_when_they_change(house: House, valkey: Redis) -> None:
    """Once for each change, with the tick after it; not when nothing happened."""
    await house.compare()
    await house.ada.fill(house.db, [house.today])
    await house.publish_all()
    await house.counter.tick(house.db)
    told = msgspec.json.decode(await valkey.get(STATS_TRADES_LAST) or b"", type=TradeStats)
    assert (told.trades_7d, told.trades_30d) == (1, 1)
    await valkey.delete(STATS_TRADES_LAST)
    await house.counter.tick(house.db)
    assert not await valkey.exists(STATS_TRADES_LAST)


async def test_another_owner_begins_anew(house: House) -> None:
    """What was counted under a lock that is lost is not used."""
    await house.compare()
    await house.ada.fill(house.db, [house.today], told=False)
    house.now[0] += EVERY
    await house.counter.tick(house.db)
    assert house.comparing
    await house.ada.fill(house.db, [house.today], told=False)
    again = await house.connect()
    house.db, before = again, house.db
    await house.compare()
    assert await house.counted() == {house.today: 2}
    house.db = before
    await again.close()


async def test_backfill_alone(house: House, valkey: Redis) -> None:
    """Without a publisher the command counts by itself; twice is as once; fills to come stay so."""
    days = last_days(house.today, 36)
    await house.ada.fill(house.db, [*days, days[0]], told=False)
    await house.ada.fill(house.db, [days[0]])
    seen: list[tuple[int, int]] = []

    async def run() -> int:
        return await backfill(
            house.counts, house.recounts, house.connect, lambda done, of: seen.append((done, of))
        )

    assert await run() == 35
    assert seen == [(n, 35) for n in range(1, 36)]
    right = {day: 1 + (day == house.today) for day in days[:35]}
    assert await house.counted() == right
    assert await run() == 0
    assert await house.counted() == right
    assert await valkey.expiretime(trade_count_key(days[20])) == expiry(days[20])


async def test_backfill_beside_a_publisher_while_trades_arrive(house: House, valkey: Redis) -> None:
    """The publisher does it, between its steps: in the end every fill is counted exactly once."""
    days = last_days(house.today, 3)
    await house.ada.fill(house.db, days * 5, told=False)
    counter = TradeCounter(house.counts, house.recounts, house.connect)
    publisher = Publisher(house.connect, UserHistory(valkey), counter, batch=3)
    stop, done = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(publisher.run(stop))

    async def trade() -> int:
        made = 0
        while not done.is_set():
            await house.ada.fill(house.db, [days[made % 3], days[0]])
            made += 2
            publisher.wake()
            await asyncio.sleep(0.005)
        return made

    trading = asyncio.create_task(trade())
    while not publisher.stats.owned:
        await asyncio.sleep(0.02)
    seen: list[int] = []
    for _ in range(3):
        await house.counts.add({days[0]: 1_000_000})  # something is wrong with it
        await backfill(house.counts, house.recounts, house.connect, lambda at, _of: seen.append(at))
        assert (await house.counted())[days[0]] < 1_000_000
    done.set()
    made = await trading
    while await house.db.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"):
        await asyncio.sleep(0.02)
    stop.set()
    await running
    counted = await house.counted()
    assert sum(counted.values()) == 15 + made
    rows = await house.db.fetch("SELECT time::date AS day, count(*) FROM fills GROUP BY 1")
    assert counted == {row["day"]: row["count"] for row in rows}
    assert seen[-1] == 35
    await counter.aclose()
