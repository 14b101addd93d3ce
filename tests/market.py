"""Make random candles in a test's database, and aggregate them the slow and obvious way."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal

import asyncpg

from openoutcry.core.intervals import BASES, INTERVALS, Interval
from openoutcry.core.rollup import merge
from openoutcry.model import Candle

COLUMNS = (
    "instrument_id",
    "bucket",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "first_trade_id",
    "last_trade_id",
)


async def add_instrument(pool: asyncpg.Pool, symbol: str, base: str, quote: str = "USDT") -> int:
    """Add an instrument and return its id."""
    made: int = await pool.fetchval(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', $1, $2, $3, 2, 5) RETURNING id",
        symbol,
        base,
        quote,
    )
    return made


async def add_candles(
    pool: asyncpg.Pool, instrument: int, base: str, candles: Sequence[Candle]
) -> None:
    """Write candles into the table of a stored interval."""
    if not candles:
        return
    if base == "1s":
        await pool.execute(
            "SELECT outcry_make_room('candles_1s', $1, $2)", candles[0].bucket, candles[-1].bucket
        )
    records = [
        (instrument, *(getattr(candle, name) for name in COLUMNS[1:-2]), 1, 2) for candle in candles
    ]
    async with pool.acquire() as connection:
        marks = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
        await connection.executemany(
            f"INSERT INTO candles_{base} ({', '.join(COLUMNS)}) VALUES ({marks})", records
        )


async def cover(pool: asyncpg.Pool, instrument: int, start: int, end: int) -> None:
    """Say that every trade of start..end (µs) is stored."""
    await pool.execute(
        "INSERT INTO watermarks VALUES ($1, $2, $3, $4, $5, $5)",
        instrument,
        1,
        start - 1,  # what is known begins after the first trade's moment
        99,
        end,
    )


async def add_gap(
    pool: asyncpg.Pool, instrument: int, start: int, end: int, state: str = "suspected"
) -> int:
    """Add a gap of five ids, three of them missing, between two times (µs)."""
    made: int = await pool.fetchval(
        "INSERT INTO gaps (instrument_id, from_id, to_id, missing, from_time, to_time, state)"
        " VALUES ($1, 11, 15, '{[11,13),[15,16)}', $2, $3, $4) RETURNING id",
        instrument,
        start,
        end,
        state,
    )
    return made


def random_candles(
    seed: int, start: int, count: int, step: int, density: float = 0.7
) -> list[Candle]:
    """Return candles of length `step` (µs) for about `density` of `count` buckets."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        if rng.random() > density:
            continue
        prices = [Decimal(rng.randrange(6_000_000, 6_010_000)).scaleb(-2) for _ in range(4)]
        volume = Decimal(rng.randrange(1, 10**9)).scaleb(-5)
        bought = Decimal(rng.randrange(1, 10**4)).scaleb(-5)
        made.append(
            Candle(
                bucket=start + number * step,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=prices[3],
                volume=volume,
                quote_volume=volume * prices[1],
                trades=rng.randrange(1, 10**6),
                taker_buy_volume=bought,
                taker_buy_quote_volume=bought * prices[2],
            )
        )
    return made


def rolled(candles: Iterable[Candle], interval: Interval) -> list[Candle]:
    """Return the candles of `interval` that hold these, one bucket at a time."""
    buckets: dict[int, list[Candle]] = {}
    for candle in candles:
        buckets.setdefault(interval.floor(candle.bucket), []).append(candle)
    return [merge(bucket, rows) for bucket, rows in sorted(buckets.items())]


def bases_of(seed: int, start: int, count: int) -> dict[str, list[Candle]]:
    """Return `count` buckets' worth of unrelated random candles for every stored interval."""
    return {
        base.name: random_candles(seed, base.floor(start), count, INTERVALS[base.name].length)
        for base in BASES
    }
