"""Backfill against the sandbox exchange: a new symbol's charts are whole, and stay so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from exchange import Exchange, exchange, working
from redis.asyncio import Redis

import tape
from openoutcry.core.intervals import DAY, HOUR, INTERVALS, MINUTE, SECOND
from openoutcry.errors import VenueUnavailableError
from openoutcry.services import backfill as backfill_module
from openoutcry.services import recorder as recorder_module
from openoutcry.services.backfill import Backfill
from openoutcry.venues.binance_rest import Request
from tape import Print, until

MIDNIGHT = 1_790_035_200_000_000 // DAY * DAY
HEARD_FROM = MIDNIGHT - 75 * SECOND
"""The feed's first moment: in the middle of a minute, an hour and a day that are nearly over."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: nothing here depends on their length but the tests' own."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 10)
    monkeypatch.setattr(backfill_module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(backfill_module, "_TROUBLE_SECONDS", 0.1)


@pytest.fixture
async def venue(valkey: Redis, database_url: str) -> AsyncIterator[Exchange]:
    """An exchange that has been open for eight days and a bit, shortly before midnight."""
    async with exchange(valkey, database_url, MIDNIGHT - 1 - 135 * SECOND, rate=6.0) as running:
        yield running


def make(venue: Exchange) -> Backfill:
    return Backfill(venue.connect, venue.valkey, venue.rest, 1)


async def is_done(db: asyncpg.Connection) -> bool:
    """Return whether the klines and the first trades are stored."""
    return not await db.fetch(backfill_module._NEW, len(backfill_module._INTERVALS)) and bool(
        await db.fetchval("SELECT count(*) FROM watermarks")
    )


async def market(venue: Exchange) -> list[Print]:
    """Let time go on till after midnight; return the trades since the feed began to listen."""
    last = await venue.newest()
    venue.clock.now = MIDNIGHT + 20 * SECOND
    trades = await venue.trades(last - 200, await venue.newest())
    heard = [trade for trade in trades if trade.time >= HEARD_FROM]
    assert trades[0].time < HEARD_FROM - MINUTE
    assert len(heard) > 100
    return heard


async def assert_whole(venue: Exchange, first: int, listed: int) -> None:
    """Check every interval from the exchange's first bucket on: complete, and its own klines."""
    for name in ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d"):
        interval = INTERVALS[name]
        base = INTERVALS[interval.base]
        begun = (
            base.back(base.floor(first), 1000) if name != "1m" else base.floor(first) - DAY - HOUR
        )
        start = interval.next(interval.floor(max(listed, begun) - 1))
        end = interval.back(interval.floor(venue.clock.now), 1)
        found = await venue.candles(name, start, end)
        theirs = await venue.klines(name, start, end)
        assert found == theirs, name  # which are complete, each of them
        assert found[-1].bucket == end
        assert len(found) >= {"1d": 1, "4h": 2, "2h": 3, "1h": 5}.get(name, 10)


async def test_every_interval_is_whole_and_live_trades_are_undisturbed(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """While trades go on, history comes; in the end each candle is the exchange's, and complete."""
    trades = await market(venue)
    async with working(make(venue)):
        for at in range(0, len(trades), 10):
            await tape.put(venue.valkey, tape.frame_of(trades[at : at + 10]))
            await asyncio.sleep(0.01)
        await until(lambda: is_done(db))
        await venue.recorded()
    minute = trades[0].time // MINUTE * MINUTE
    assert trades[0].time - minute > SECOND, "the first minute has begun before us"
    first = await db.fetchval("SELECT min(trade_id) FROM trades")
    mine = await venue.trades(first, trades[-1].trade_id)
    assert first < trades[0].trade_id
    assert mine[0].time >= minute
    found = await tape.stored(db)
    assert found == [(1, trade.trade_id) for trade in mine]
    assert await db.fetchval("SELECT count(*) FROM gaps WHERE state = 'suspected'") == 0
    await assert_whole(venue, trades[0].time, MIDNIGHT - 9 * DAY)
    (today,) = await venue.candles("1d", MIDNIGHT, MIDNIGHT)
    assert not today.complete


async def test_a_symbol_listed_today_is_whole_since_then(
    valkey: Redis, database_url: str, db: asyncpg.Connection, tmp_path: Path
) -> None:
    """Before its first trade there is nothing to miss: the first hours and the day are complete."""
    state = tmp_path / "state.json"
    listed = MIDNIGHT - 5 * HOUR + 17 * MINUTE
    schedule = [{"block": listed // SECOND, "rate": 0.5}]
    symbols = {"BTCUSDT": {"schedule": schedule, "skips": []}}
    state.write_text(json.dumps({"seed": 7, "listed": listed // SECOND, "symbols": symbols}))
    now = MIDNIGHT - 1 - 135 * SECOND
    async with exchange(valkey, database_url, now, rate=6.0, state=state) as venue:
        trades = await market(venue)
        await venue.hear(trades)
        async with working(make(venue)):
            await until(lambda: is_done(db))
        await venue.recorded()
        await assert_whole(venue, trades[0].time, listed // DAY * DAY)
        days = await venue.candles("1d", MIDNIGHT - 9 * DAY, MIDNIGHT)
        assert [day.bucket for day in days] == [MIDNIGHT - DAY, MIDNIGHT]


async def test_what_is_done_is_not_repeated(venue: Exchange, db: asyncpg.Connection) -> None:
    """Neither this process nor the next asks the exchange again."""
    await venue.hear(await market(venue))
    async with working(make(venue)):
        await until(lambda: is_done(db))
        await venue.recorded()
        asked = len(venue.rest.asked)
        await asyncio.sleep(0.2)
    assert asked == len(venue.rest.asked) >= 9
    async with working(make(venue)):
        await asyncio.sleep(0.2)
    assert asked == len(venue.rest.asked)


@pytest.mark.parametrize(
    ("call", "restart"), [(2, True), (5, False), (9, True), (10, False), (10, True)]
)
async def test_what_was_interrupted_is_finished(
    venue: Exchange, db: asyncpg.Connection, call: int, restart: bool
) -> None:
    """A venue that fails, or a process that dies, in the middle: all of the history comes later."""

    def fail(number: int, _request: Request) -> None:
        if number >= call:
            raise VenueUnavailableError("away")

    trades = await market(venue)
    await venue.hear(trades)
    venue.rest.meddle = fail
    backfill = make(venue)
    async with working(backfill):

        async def failed() -> bool:
            return len(venue.rest.asked) > call

        await until(failed)
        await venue.recorded()
    assert not await is_done(db)
    venue.rest.meddle = lambda _number, _request: None
    async with working(make(venue) if restart else backfill):
        await until(lambda: is_done(db))
        await venue.recorded()
    await assert_whole(venue, trades[0].time, MIDNIGHT - 9 * DAY)


async def test_a_venue_that_publishes_late_is_waited_for(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """An empty answer about a minute in which we heard trades is no proof of an empty minute."""
    empty = 0

    def late(_number: int, request: Request) -> bytes | None:
        nonlocal empty
        if "aggTrades" in request.path and empty < 2:
            empty += 1
            return b"[]"
        return None

    trades = await market(venue)
    await venue.hear(trades)
    venue.rest.meddle = late
    async with working(make(venue)):
        await until(lambda: is_done(db))
        await venue.recorded()
    assert empty == 2
    await assert_whole(venue, trades[0].time, MIDNIGHT - 9 * DAY)


async def test_nothing_is_asked_while_another_process_owns_the_shards(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """Whoever stands by leaves the exchange alone."""
    await venue.hear(await market(venue))
    stop = asyncio.Event()
    task = asyncio.create_task(make(venue).run(stop, lambda: False))
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.wait_for(task, 30)
    assert venue.rest.asked == []
    assert not await is_done(db)
