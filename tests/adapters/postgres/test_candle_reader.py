"""Candles read from a real PostgreSQL equal a naive aggregation of the same rows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import asyncpg
import msgspec
import pytest

from market import add_candles, add_gap, add_instrument, bases_of, cover, random_candles, rolled
from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.core.intervals import DAY, HOUR, INTERVALS, MINUTE, SECOND, Interval
from openoutcry.model import Candle


def us(text: str) -> int:
    """Return an ISO time as µs."""
    return int(dt.datetime.fromisoformat(text + "+00:00").timestamp()) * SECOND


START = us("2026-01-14T13:37:00")


async def market(pool: asyncpg.Pool, count: int = 250) -> tuple[int, dict[str, list[Candle]]]:
    """Fill a database with one instrument's random candles."""
    instrument = await add_instrument(pool, "BTCUSDT", "BTC")
    bases = bases_of(7, START, count)
    for base, candles in bases.items():
        await add_candles(pool, instrument, base, candles)
    return instrument, bases


def every(candles: list[Candle], interval: Interval) -> tuple[int, int]:
    """Return the range that holds all candles."""
    return interval.floor(candles[0].bucket), candles[-1].bucket


async def test_every_interval_equals_naive_aggregation(store: asyncpg.Pool) -> None:
    """Each of the seventeen intervals has the exact values of its base rows put together."""
    instrument, bases = await market(store)
    reader = CandleReader(store)
    for interval in INTERVALS.values():
        expected = rolled(bases[interval.base], interval)
        start, end = every(bases[interval.base], interval)
        assert await reader.candles(instrument, interval, start, end) == expected, interval.name


async def test_values_do_not_lose_digits(store: asyncpg.Pool) -> None:
    """Prices of eighteen decimals and huge sizes come back and add up exactly."""
    instrument = await add_instrument(store, "PEPEUSDT", "PEPE")
    tiny, huge = Decimal("0.000000000000000001"), Decimal("123456789012345678901234.5")
    rows = [
        msgspec.structs.replace(row, open=tiny, volume=huge)
        for row in random_candles(1, START - START % DAY, 3, 2 * HOUR, density=1)
    ]
    await add_candles(store, instrument, "2h", rows)
    (candle,) = await CandleReader(store).candles(instrument, INTERVALS["6h"], 0, START + DAY)
    assert (candle.open, candle.volume) == (tiny, huge * 3)


async def test_both_ends_are_inclusive_by_bucket_start(store: asyncpg.Pool) -> None:
    """A bucket that starts on either end is in, one that starts a microsecond outside is not."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    start = us("2026-01-01T00:00:00")
    await add_candles(store, instrument, "1m", random_candles(1, start, 60, MINUTE, density=1))
    reader = CandleReader(store)
    for name, step in (("1m", MINUTE), ("3m", 3 * MINUTE)):
        interval = INTERVALS[name]

        async def starts(low: int, high: int, interval: Interval = interval) -> list[int]:
            return [c.bucket for c in await reader.candles(instrument, interval, low, high)]

        assert await starts(start, start + 2 * step) == [start, start + step, start + 2 * step]
        assert await starts(start + 1, start + 2 * step - 1) == [start + step]
        assert await starts(start + 1, start + step - 1) == []


@pytest.mark.parametrize(
    ("name", "asked", "bucket"),
    [
        ("1w", "2026-01-01T00:00:00", "2026-01-05T00:00:00"),
        ("1M", "2026-01-02T00:00:00", "2026-02-01T00:00:00"),
        ("3d", "2026-01-02T00:00:00", "2026-01-04T00:00:00"),
    ],
)
async def test_long_buckets_start_where_they_should(
    store: asyncpg.Pool, name: str, asked: str, bucket: str
) -> None:
    """Weeks start on Monday, months on the 1st, three days count from 1970."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    rows = random_candles(3, us("2025-12-20T00:00:00"), 90, DAY, density=1)
    await add_candles(store, instrument, "1d", rows)
    found = await CandleReader(store).candles(
        instrument, INTERVALS[name], us(asked), us("2026-02-15T00:00:00")
    )
    assert found[0].bucket == us(bucket)
    assert found == [
        candle
        for candle in rolled(rows, INTERVALS[name])
        if us(asked) <= candle.bucket <= us("2026-02-15T00:00:00")
    ]


async def test_limit_keeps_the_oldest_and_every_candle_whole(store: asyncpg.Pool) -> None:
    """A range with more candles than the limit gives the first ones, none of them cut short."""
    instrument, bases = await market(store)
    reader = CandleReader(store)
    for name in ("1m", "30m", "1w", "1M"):
        interval = INTERVALS[name]
        expected = rolled(bases[interval.base], interval)
        found = await reader.candles(instrument, interval, 0, START + 3650 * DAY, limit=4)
        assert found == expected[:4], name


async def test_page_is_the_json_of_the_candles(store: asyncpg.Pool) -> None:
    """The text that the database writes says what the decoded candles say, digit by digit."""
    instrument, bases = await market(store)
    await cover(store, instrument, START, START + HOUR)
    reader = CandleReader(store)
    for interval in INTERVALS.values():
        start, end = every(bases[interval.base], interval)
        page = await reader.page(instrument, interval, start, end)
        filled = await reader.filled_page(instrument, interval, start, end)
        items = msgspec.json.decode(page.body, type=list[dict[str, msgspec.Raw]])
        candles = await reader.candles(instrument, interval, start, end)
        assert [_texts(item) for item in items] == [_fields(candle) for candle in candles]
        assert page.body[1:60] in filled.body


async def test_a_page_without_candles(store: asyncpg.Pool) -> None:
    """A range in which nothing is stored is an empty array, of every interval."""
    instrument, _ = await market(store)
    for interval in INTERVALS.values():
        assert (await CandleReader(store).page(instrument, interval, 0, DAY)).body == "[]"


def _texts(item: dict[str, msgspec.Raw]) -> list[str]:
    return [bytes(value).decode() for value in item.values()]


def _fields(candle: Candle) -> list[str]:
    numbers = (
        *(candle.open, candle.high, candle.low, candle.close),
        *(candle.volume, candle.quote_volume),
    )
    complete = "true" if candle.complete else "false"
    texts = [f"{number:f}" for number in numbers]
    return [str(candle.bucket // SECOND), *texts, str(candle.trades), complete]


async def test_complete_up_to_the_last_word_heard(store: asyncpg.Pool) -> None:
    """Candles between the first trade and heard_until are complete; those that reach out are not."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    start = us("2026-01-01T00:00:00")
    await add_candles(store, instrument, "1m", random_candles(1, start, 10, MINUTE, density=1))
    await cover(store, instrument, start + 30 * SECOND, start + 8 * MINUTE)
    found = await CandleReader(store).candles(instrument, INTERVALS["1m"], start, start + HOUR)
    assert [candle.complete for candle in found] == [False] + [True] * 7 + [False] * 2


async def test_a_suspected_gap_makes_incomplete_a_resolved_one_does_not(
    store: asyncpg.Pool,
) -> None:
    """Only the candles that touch a suspected gap lose their completeness."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    start = us("2026-01-01T00:00:00")
    await add_candles(store, instrument, "1m", random_candles(1, start, 10, MINUTE, density=1))
    await cover(store, instrument, start, start + HOUR)
    await add_gap(store, instrument, start + 90 * SECOND, start + 130 * SECOND)
    await add_gap(store, instrument, start + 5 * MINUTE, start + 6 * MINUTE, "absent")
    await add_gap(store, instrument, start + 5 * MINUTE, start + 6 * MINUTE, "filled")
    found = await CandleReader(store).candles(instrument, INTERVALS["1m"], start, start + HOUR)
    assert [n for n, candle in enumerate(found) if not candle.complete] == [1, 2]


async def test_imported_klines_complete_minutes_but_not_seconds(store: asyncpg.Pool) -> None:
    """A span known from one-minute klines says nothing about one-second candles."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    start = us("2026-01-01T00:00:00")
    await add_candles(store, instrument, "1s", random_candles(1, start, 5, SECOND, density=1))
    await add_candles(store, instrument, "1m", random_candles(1, start, 5, MINUTE, density=1))
    await store.execute(
        "INSERT INTO coverage (instrument_id, base, from_time, to_time) VALUES ($1, 60, $2, $3)",
        instrument,
        start,
        start + HOUR,
    )
    reader = CandleReader(store)
    seconds = await reader.candles(instrument, INTERVALS["1s"], start, start + MINUTE)
    minutes = await reader.candles(instrument, INTERVALS["1m"], start, start + HOUR)
    assert {candle.complete for candle in seconds} == {False}
    assert {candle.complete for candle in minutes} == {True}
    assert not (await reader.filled(instrument, INTERVALS["1s"], start, start + MINUTE))[5:]


async def test_filled_starts_from_the_close_before_the_range(store: asyncpg.Pool) -> None:
    """A quiet hour that is known whole is flat at the close of the last candle before it."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    start = us("2026-01-01T00:00:00")
    rows = random_candles(1, start, 3, 5 * MINUTE, density=1)
    await add_candles(store, instrument, "5m", rows)
    await cover(store, instrument, start, start + 3 * HOUR)
    found = await CandleReader(store).filled(
        instrument, INTERVALS["15m"], start + HOUR, start + 2 * HOUR
    )
    assert [candle.bucket for candle in found] == [start + HOUR + n * 15 * MINUTE for n in range(5)]
    assert {(c.open, c.close, c.volume, c.trades) for c in found} == {
        (rows[-1].close, rows[-1].close, Decimal(0), 0)
    }


async def test_dropped_seconds_are_not_made_up(store: asyncpg.Pool) -> None:
    """Where retention has dropped the 1s candles no flat ones stand in, though all was heard."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    day = us("2026-01-02T00:00:00")
    for start in (day - 10 * SECOND, day):
        await add_candles(store, instrument, "1s", random_candles(1, start, 1, SECOND, density=1))
    await cover(store, instrument, day - DAY, day + DAY)
    await store.execute("SELECT outcry_drop_older('candles_1s', $1)", day)
    found = await CandleReader(store).filled(
        instrument, INTERVALS["1s"], day - 20 * SECOND, day + 2 * SECOND
    )
    assert [candle.bucket for candle in found] == [day, day + SECOND, day + 2 * SECOND]


async def test_settled_only_when_the_whole_range_is_known(store: asyncpg.Pool) -> None:
    """A range may be cached for long when nothing in it can change any more."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    start = us("2026-01-01T00:00:00")
    await add_candles(store, instrument, "1m", random_candles(1, start, 10, MINUTE))
    await cover(store, instrument, start, start + 10 * MINUTE)
    reader = CandleReader(store)
    inside = await reader.page(instrument, INTERVALS["1m"], start, start + 9 * MINUTE)
    outside = await reader.page(instrument, INTERVALS["1m"], start, start + 10 * MINUTE)
    assert (inside.settled, outside.settled) == (True, False)


async def test_no_plan_reads_more_than_its_range(store: asyncpg.Pool) -> None:
    """Every query walks the primary key: its work does not grow with what else is stored."""
    from openoutcry.adapters.postgres import candle_sql

    instrument, _ = await market(store)
    await store.execute("ANALYZE")
    for interval in INTERVALS.values():
        for sql in (candle_sql.values(interval), candle_sql.json_heads(interval)):
            async with store.acquire() as connection:
                await connection.execute("SET enable_seqscan = off")
                rows = await connection.fetch("EXPLAIN " + sql, instrument, START, START + DAY, 9)
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan" not in plan
            assert "pkey" in plan
