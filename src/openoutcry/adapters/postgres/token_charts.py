"""Read what tokens' trades look like over time and by size: candles, hours, classes of size."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import BASES, COUNTS
from openoutcry.core.intervals import INTERVALS, MINUTE, Interval
from openoutcry.tokens import SizeClass, TokenCandle, VolumeBucket

TOKEN_INTERVALS: Final[dict[str, Interval]] = {
    name: interval for name, interval in INTERVALS.items() if interval.length >= MINUTE
}
"""The intervals that tokens have candles of, shortest first: blocks come too seldom for less."""

_EPOCH: Final = "timestamptz '1970-01-01 00:00:00+00'"
_MONDAY: Final = "timestamptz '1970-01-05 00:00:00+00'"

_COLUMNS: Final = "open, high, low, close, volume, quote_volume, trades, buys, buy_quote_volume"

# Parameters: token, first bucket, end (exclusive), most candles.
_STORED: Final = f"""
SELECT bucket, {_COLUMNS} FROM token_candles_{{base}}
WHERE token_id = (SELECT id FROM tokens WHERE address = $1) AND bucket >= $2 AND bucket < $3
ORDER BY bucket LIMIT $4
"""

# As for the tape (candle_sql): rows come in order, and the first $4 candles need at most $4 * rows.
_ROLLED: Final = """
SELECT start AS bucket, (array_agg(open ORDER BY bucket))[1] AS open, max(high), min(low),
    (array_agg(close ORDER BY bucket))[count(*)] AS close, sum(volume), sum(quote_volume),
    sum(trades)::bigint, sum(buys)::bigint, sum(buy_quote_volume)
FROM (
    SELECT {start} AS start, * FROM token_candles_{base} c
    WHERE token_id = (SELECT id FROM tokens WHERE address = $1) AND bucket >= $2 AND bucket < $3
    ORDER BY c.bucket LIMIT $4 * {rows}
) AS base_rows
GROUP BY start ORDER BY start LIMIT $4
"""

_HOURS: Final = """
SELECT bucket, quote_volume, trades, buys, buy_quote_volume FROM token_hours
WHERE bucket >= $1 AND bucket <= $2 ORDER BY bucket
"""

# The number of digits is exact where a logarithm would have to be rounded.
_SIZES: Final = f"""
SELECT CASE WHEN eth = 0 THEN -1 ELSE length(eth::text) - 1 END AS exponent, sum(eth), count(*),
    count(*) FILTER (WHERE side > 0), coalesce(sum(eth) FILTER (WHERE side > 0), 0)
FROM token_trades t
WHERE token_id = (SELECT id FROM tokens WHERE address = $1) AND block_time > $2
  AND {COUNTS.format("t")}
GROUP BY 1 ORDER BY 1
"""


async def read_candles(
    connection: Connection,
    address: bytes,
    interval: Interval,
    start: int,
    end: int,
    *,
    limit: int = 1000,
) -> list[TokenCandle]:
    """Return the first `limit` candles of a token that start in start..end (µs, both inclusive).

    `interval` is one of TOKEN_INTERVALS. Ascending; a bucket without trades has no candle.
    """
    first = interval.floor(start)
    if first < start:
        first = interval.next(first)
    stop = interval.next(interval.floor(end))
    if first >= stop:
        return []
    rows = await connection.fetch(_sql(interval), address, first, stop, limit)
    return [TokenCandle(row[0], *map(int, tuple(row)[1:])) for row in rows]


async def read_hours(connection: Connection, start: int, end: int) -> list[VolumeBucket]:
    """Return what all tokens were traded for in the hours that start in start..end (µs, inclusive).

    Ascending; hours without trades are left out.
    """
    rows = await connection.fetch(_HOURS, start, end)
    return [VolumeBucket(row[0], *_integers(row)) for row in rows]


async def read_token_hours(
    connection: Connection, address: bytes, start: int, end: int, limit: int = 1000
) -> list[VolumeBucket]:
    """Return what a token was traded for by hour, as `read_hours` does for all."""
    candles = await read_candles(connection, address, INTERVALS["1h"], start, end, limit=limit)
    return [
        VolumeBucket(c.bucket, c.quote_volume, c.trades, c.buys, c.buy_quote_volume)
        for c in candles
    ]


async def read_sizes(connection: Connection, address: bytes, since: int) -> list[SizeClass]:
    """Return a token's trades after `since` (µs) by powers of ten of their ether, smallest first.

    It reads each of these trades: cache it for tokens that are traded much.
    """
    rows = await connection.fetch(_SIZES, address, since)
    return [SizeClass(row[0], *_integers(row)) for row in rows]


def _integers(row: Any) -> tuple[int, int, int, int]:
    return int(row[1]), int(row[2]), int(row[3]), int(row[4])


def base_of(interval: Interval) -> Interval:
    """Return the longest stored interval that `interval` is made of."""
    return [base for base in BASES if interval.length % base.length == 0][-1]


@cache
def _sql(interval: Interval) -> str:
    base = base_of(interval)
    if base is interval:
        return _STORED.format(base=base.name)
    return _ROLLED.format(
        base=base.name, rows=interval.length // base.length, start=_start(interval)
    )


def _start(interval: Interval) -> str:
    if interval.name == "1M":
        return "date_trunc('month', bucket, 'UTC')"
    origin = _MONDAY if interval.origin else _EPOCH
    return f"date_bin(interval '{interval.length} microseconds', bucket, {origin})"
