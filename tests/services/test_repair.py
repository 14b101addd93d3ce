"""Repair against the sandbox exchange: what is missing comes, whatever the venue is up to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
from exchange import Exchange, exchange, working
from redis.asyncio import Redis

import tape
from openoutcry.core.intervals import MINUTE, SECOND
from openoutcry.errors import RateLimitedError, VenueUnavailableError
from openoutcry.services import recorder as recorder_module
from openoutcry.services import repair as repair_module
from openoutcry.services.repair import Repair
from tape import Print, until

NOW = 1_790_031_600_000_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: nothing here depends on their length but the tests' own."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 10)
    monkeypatch.setattr(repair_module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(repair_module, "_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(repair_module, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(repair_module, "_TROUBLE_SECONDS", 0.1)


@pytest.fixture
async def venue(valkey: Redis, database_url: str) -> AsyncIterator[Exchange]:
    """An exchange with a week of trades behind it."""
    async with exchange(valkey, database_url, NOW) as running:
        yield running


def make(venue: Exchange) -> Repair:
    return Repair(venue.connect, venue.valkey, venue.rest, 1)


async def gaps(db: asyncpg.Connection) -> list[tuple[str, list[tuple[int, int]], int]]:
    """Return state, missing ids (inclusive) and number of absent ids of every gap."""
    rows = await db.fetch("SELECT state, missing, absent FROM gaps ORDER BY from_id")
    return [
        (
            row["state"],
            [(r.lower, r.upper - 1) for r in row["missing"]],
            sum(r.upper - r.lower for r in row["absent"]),
        )
        for row in rows
    ]


async def hear_with_a_gap(venue: Exchange, missing: int) -> list[Print]:
    """Bring 10 trades on each side of `missing` ones; return all of them."""
    newest = await venue.newest()
    first = newest - missing - 19
    trades = await venue.trades(first, newest)
    await venue.hear(trades[:10])
    await venue.hear(trades[-10:])
    return trades


def healed(db: asyncpg.Connection) -> Any:
    async def look() -> bool:
        return await gaps(db) != [] and all(gap[0] != "suspected" for gap in await gaps(db))

    return look


@pytest.mark.parametrize(("missing", "pages"), [(1, 1), (1000, 1), (1001, 2), (2500, 3)])
async def test_a_gap_is_fetched_page_by_page(
    venue: Exchange, db: asyncpg.Connection, missing: int, pages: int
) -> None:
    """However long a gap is, a thousand at a time come, each once, and the candles are right."""
    trades = await hear_with_a_gap(venue, missing)
    low = trades[10].trade_id
    assert await gaps(db) == [("suspected", [(low, low + missing - 1)], 0)]
    repair = make(venue)
    assert await repair.once(db) == missing
    await venue.recorded()
    assert await gaps(db) == [("filled", [], 0)]
    await tape.assert_holds(db, trades)
    assert repair.stats.requests == len(venue.rest.asked) == pages
    assert await repair.once(db) == 0
    assert len(venue.rest.asked) == pages


async def test_minutes_around_a_gap_are_complete_only_when_it_is_filled(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """No candle of the missed time is called complete before what was missed is there."""
    trades = await hear_with_a_gap(venue, 1500)
    start, end = trades[0].time, trades[-1].time
    before = await venue.candles("1m", start, end)
    assert [candle.bucket for candle in before if candle.complete] == []
    await make(venue).once(db)
    await venue.recorded()
    after = await venue.candles("1m", start, end)
    theirs = await venue.klines("1m", start - start % MINUTE + MINUTE, end - end % MINUTE - MINUTE)
    assert [candle for candle in after if candle.complete] == theirs
    assert len(theirs) > 10


async def test_ids_that_the_exchange_lacks_are_absent(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """A jump that is the exchange's own is confirmed, beside the trades that really were missed."""
    await venue.fault(kind="skip_ids", count=1200)
    venue.clock.now += 30 * SECOND
    newest = await venue.newest()
    trades = await venue.trades(newest - 1260, newest)
    at = next(n for n in range(1, len(trades)) if trades[n].trade_id - trades[n - 1].trade_id > 1)
    assert trades[at].trade_id - trades[at - 1].trade_id == 1201
    assert 6 < at < len(trades) - 6
    await venue.hear(trades[: at - 5])
    await venue.hear(trades[at + 5 :])
    await make(venue).once(db)
    await venue.recorded()
    assert await gaps(db) == [("absent", [], 1200)]
    await tape.assert_holds(db, trades)


async def test_the_end_of_what_is_published_is_no_proof(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """Ids that REST does not show yet stay missing, until it does."""
    later = venue.clock.now + 60 * SECOND
    known = await venue.newest()
    venue.clock.now = later
    newest = await venue.newest()
    trades = await venue.trades(known - 20, newest)
    assert newest - known > 20
    await venue.hear(trades[:10])
    await venue.hear(trades[-3:])
    venue.clock.now = NOW  # REST is behind what the socket has told
    repair = make(venue)
    await repair.once(db)
    await venue.recorded()
    assert await gaps(db) == [("suspected", [(known + 1, newest - 3)], 0)]
    assert await repair.once(db) == 0
    venue.clock.now = later
    await repair.once(db)
    await venue.recorded()
    assert await gaps(db) == [("filled", [], 0)]
    await tape.assert_holds(db, trades)


TROUBLES: dict[str, dict[str, Any]] = {
    "hangs": {"kind": "rest_delay", "ms": 700},
    "5xx": {"kind": "rest_status", "status": 503},
    "429": {"kind": "rest_status", "status": 429, "retry_after": 1},
    "418": {"kind": "rest_status", "status": 418, "retry_after": 1},
    "garbage": {"kind": "rest_garbage"},
    "half an answer": {"kind": "rest_garbage", "body": "truncated"},
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_venue_in_trouble_is_waited_for(
    venue: Exchange, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Nothing is taken for an answer while the venue misbehaves; when it is well, the gap closes."""
    monkeypatch.setattr(venue.rest, "_timeout", aiohttp.ClientTimeout(total=0.3))
    trades = await hear_with_a_gap(venue, 1500)
    await venue.fault(**TROUBLES[trouble])
    repair = make(venue)
    async with working(repair):

        async def tried() -> bool:
            return len(venue.rest.asked) >= (2 if trouble in {"429", "418"} else 3)

        await until(tried)
        assert [gap[0] for gap in await gaps(db)] == ["suspected"]
        assert repair.stats.fetched == 0
        assert (repair.stats.held_back > 0) == (trouble in {"429", "418"})
        await venue.behave()
        await until(healed(db))
    assert await gaps(db) == [("filled", [], 0)]
    await tape.assert_holds(db, trades)


async def test_a_spent_budget_holds_back_and_is_counted(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """A gap is fetched as far as the weight goes; the rest comes when there is more."""
    trades = await hear_with_a_gap(venue, 3500)
    await venue.budget.allowed(await venue.used_weight() + 60)  # two pages of 25
    repair = make(venue)
    async with working(repair):

        async def held_back() -> bool:
            return repair.stats.held_back == 1

        await until(held_back)
        await venue.recorded()
    pages = len(venue.rest.asked) - 1  # the last one did not leave the house
    assert pages in {2, 3}  # three, if a minute has just begun
    low = trades[10].trade_id
    assert await gaps(db) == [("suspected", [(low + 1000 * pages, low + 3499)], 0)]
    with pytest.raises(RateLimitedError) as caught:
        await repair.once(db)
    assert 0 < caught.value.retry_after <= 60
    await venue.budget.allowed(6000)
    await repair.once(db)
    await venue.recorded()
    assert await gaps(db) == [("filled", [], 0)]
    await tape.assert_holds(db, trades)


async def test_what_the_venue_refuses_does_not_keep_other_gaps_open(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """A smaller gap of a symbol that is not listed any more stays; the others are filled."""
    await db.execute(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', 'GONEUSDT', 'GONE', 'USDT', 2, 5)"
    )
    await venue.hear([Print(2, 1, NOW), Print(2, 5, NOW + 1)])
    trades = await hear_with_a_gap(venue, 10)
    await make(venue).once(db)
    await venue.recorded()
    rows = await db.fetch("SELECT instrument_id, state FROM gaps ORDER BY 1")
    assert [tuple(row) for row in rows] == [(1, "filled"), (2, "suspected")]
    assert len(trades) == await db.fetchval("SELECT count(*) FROM trades WHERE instrument_id = 1")


async def test_only_the_symbol_that_is_asked_for_is_repaired(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """`once` with a symbol leaves the others' gaps alone."""
    await hear_with_a_gap(venue, 10)
    repair = make(venue)
    assert await repair.once(db, "ETHUSDT") == 0
    assert venue.rest.asked == []
    assert await repair.once(db, "BTCUSDT") == 10


async def deaf(venue: Exchange, db: asyncpg.Connection, missed: int) -> list[Print]:
    """Let a feed hear all but the last `missed` trades, lose its connection and find another."""
    newest = await venue.newest()
    trades = await venue.trades(newest - missed - 9, newest)
    heard = trades[:10]
    await venue.hear(heard)
    until_time = heard[-1].time + 1
    await tape.put(
        venue.valkey,
        tape.heard(1, heard[0].time, until_time, heard[-1].trade_id),
        tape.heard(1, NOW - 1_000, NOW, -1),
    )
    await venue.recorded()
    assert await db.fetchval("SELECT hole_since IS NOT NULL FROM watermarks")
    return trades


@pytest.mark.parametrize("missed", [0, 7, 1300])
async def test_silence_after_a_reconnect_is_explained_by_the_venues_newest_trade(
    venue: Exchange, db: asyncpg.Connection, missed: int
) -> None:
    """The hole is resolved: nothing happened, or what was missed is a gap like any other."""
    trades = await deaf(venue, db, missed)
    venue.clock.now += SECOND // 1000
    async with working(make(venue)):

        async def whole() -> bool:
            resolved = await db.fetchval("SELECT hole_since IS NULL FROM watermarks")
            states = {gap[0] for gap in await gaps(db)}
            return bool(resolved and states == ({"filled"} if missed else set()))

        await until(whole)
        await venue.recorded()
    await tape.assert_holds(db, trades)


async def test_the_newest_trade_is_asked_for_once_it_can_be_published(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """Right after a reconnect the venue's answer may lag behind: it would prove too much."""
    now = time.time_ns() // 1000
    await deaf(venue, db, 5)
    await tape.put(venue.valkey, tape.heard(1, now, now + 1_000, -1))
    await venue.recorded()
    assert await make(venue).once(db) == 0
    assert venue.rest.asked == []
    assert await db.fetchval("SELECT hole_since IS NOT NULL FROM watermarks")


async def test_a_hole_stays_while_the_venue_is_away(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """Without an answer nothing is said of the silence."""
    await deaf(venue, db, 5)
    await venue.fault(kind="rest_status", status=500)
    with pytest.raises(VenueUnavailableError):
        await make(venue).once(db)
    await venue.recorded()
    assert await db.fetchval("SELECT hole_since IS NOT NULL FROM watermarks")
    assert await gaps(db) == []


async def test_repair_outlives_its_database_connection(
    venue: Exchange, db: asyncpg.Connection
) -> None:
    """A connection that the database ends is opened anew."""
    async with working(make(venue)):
        await asyncio.sleep(0.1)
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        trades = await hear_with_a_gap(venue, 20)
        await until(healed(db))
    await tape.assert_holds(db, trades)
