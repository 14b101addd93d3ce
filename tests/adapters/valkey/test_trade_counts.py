"""Daily counts in Valkey: added with their expiry, replaced, read, told."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import msgspec
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.core.keys import STATS_TRADES, STATS_TRADES_LAST, trade_count_key
from openoutcry.core.trade_stats import TradeStats, expiry
from openoutcry.errors import StoreUnavailableError

DAY = 86_400


@pytest.fixture
async def today(valkey: Redis) -> date:
    """Valkey's present day."""
    return (await TradeCounts(valkey).read(1)).today


async def test_adding_sets_the_expiry(valkey: Redis, today: date) -> None:
    """Today's count lives for 35 days from its last trade, a past day's for 35 from its end."""
    counts = TradeCounts(valkey)
    past = today - timedelta(days=3)
    await counts.add({today: 2, past: 5})
    await counts.add({today: 1})
    assert await valkey.get(f"trade:daily_count:{today.isoformat()}") == b"3"
    assert 35 * DAY - 60 < await valkey.ttl(trade_count_key(today)) <= 35 * DAY
    assert await valkey.expiretime(trade_count_key(past)) == expiry(past)
    await valkey.expire(trade_count_key(today), 100)
    await counts.add({today: 1})
    assert await valkey.ttl(trade_count_key(today)) > 34 * DAY


async def test_a_day_that_is_over_is_not_begun(valkey: Redis, today: date) -> None:
    """A fill of a replayed market of another year leaves no key that nobody reads."""
    counts = TradeCounts(valkey)
    await counts.add({today - timedelta(days=36): 5, date(2024, 8, 8): 1})
    await counts.put({date(2024, 8, 8): 3})
    assert not [key async for key in valkey.scan_iter(match="trade:daily_count:*")]


async def test_adding_at_once_loses_nothing(valkey: Redis, today: date) -> None:
    """Many adders at the same time add up."""
    counts = TradeCounts(valkey)
    await asyncio.gather(*(counts.add({today: n}) for n in range(1, 51)))
    assert (await counts.read()).counts == {today: 1275}


async def test_putting_replaces_and_says_what_was_wrong(valkey: Redis, today: date) -> None:
    """Twice the same changes nothing; nought takes the key away; expiries are those of adding."""
    counts = TradeCounts(valkey)
    past = today - timedelta(days=1)
    await counts.add({today: 7, past: 9})
    assert await counts.put({today: 7, past: 4}) == [past]
    changed = (await counts.read()).changed
    assert await counts.put({today: 7, past: 4}) == []
    assert (await counts.read()).changed == changed
    assert await valkey.expiretime(trade_count_key(past)) == expiry(past)
    assert await counts.put({past: 0}) == [past]
    assert (await counts.read()).counts == {today: 7}


async def test_forgotten_counts_are_known_to_be(valkey: Redis, today: date) -> None:
    """A Valkey that has lost its memory is told from a platform without trades."""
    counts = TradeCounts(valkey)
    assert (await counts.read()).changed is None
    await counts.put({today: 0})
    assert (await counts.read()).changed is not None


async def test_publishing_tells_and_keeps(valkey: Redis) -> None:
    """Listeners get the object, and who comes later finds it."""
    async with valkey.pubsub() as pubsub:
        await pubsub.subscribe(STATS_TRADES)
        await pubsub.get_message(timeout=30)
        stats = TradeStats(1, 2, "2026-01-01T00:00:00.000Z")
        await TradeCounts(valkey).publish(stats)
        message = await pubsub.get_message(timeout=30)
    assert message is not None
    assert msgspec.json.decode(message["data"], type=TradeStats) == stats
    assert await valkey.get(STATS_TRADES_LAST) == message["data"]


async def test_without_valkey_there_is_one_error() -> None:
    """Soon, and the same for every method."""
    gone = connect("redis://127.0.0.1:1", retries=0)
    counts = TradeCounts(gone)
    for work in (counts.add({date.today(): 1}), counts.read(), counts.put({date.today(): 1})):  # noqa: DTZ011
        with pytest.raises(StoreUnavailableError):
            await work
    await gone.aclose()
