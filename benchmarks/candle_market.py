"""Fill a scratch database with the candles, and if wanted the trades, of one busy market."""

from __future__ import annotations

import datetime as dt
import time
from itertools import pairwise
from typing import Final

import asyncpg

from openoutcry.core.intervals import BASES, SECOND

END: Final = 1_767_225_600 * SECOND  # 2026-01-01
DAY: Final = 86_400 * SECOND

# How far back each stored interval goes: seconds have retention, days reach as far as exchanges do.
HISTORY_DAYS: Final = {
    "1s": 30,
    "30s": 365,
    "1m": 365,
    "5m": 1095,
    "1h": 5475,
    "4h": 5475,
    "1d": 5475,
}

INSTRUMENT: Final = """
INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)
VALUES ('binance', 'BTCUSDT', 'BTC', 'USDT', 2, 5) RETURNING id
"""

# $4: trades a second. The price is a slow wave with noise; what it is does not matter to a query.
CANDLES: Final = """
INSERT INTO candles_{base}
SELECT $1, bucket, mid, mid + 21.17, mid - 19.04, mid + noise, volume, volume * mid,
       greatest(1, {seconds} * $4)::bigint, volume / 2, volume * mid / 2, 1, 2
FROM (
    SELECT bucket,
           (60000 + 900 * sin(extract(epoch FROM bucket) / 86400))::numeric(18, 2) AS mid,
           (random() * 20 - 10)::numeric(18, 2) AS noise,
           (random() * {seconds})::numeric(18, 5) AS volume
    FROM generate_series($2::timestamptz, $3::timestamptz - interval '1 us',
                         interval '{seconds} seconds') AS bucket
) AS made
"""

TRADES: Final = """
INSERT INTO trades
SELECT $1, moment, moment + interval '20 milliseconds', $4::bigint + n,
       (60000 + 900 * sin($4::bigint / 1e7) + random() * 20)::numeric(18, 2),
       (random() * 2)::numeric(18, 5), CASE WHEN random() < 0.5 THEN 1 ELSE -1 END
FROM (
    SELECT n, $2::timestamptz + ($3::timestamptz - $2::timestamptz) * (n::float8 / $5::bigint)
           AS moment
    FROM generate_series(0, $5::bigint - 1) AS n
) AS made
"""

FROM_TRADES: Final = """
INSERT INTO candles_1s
SELECT instrument_id, date_trunc('second', venue_time),
       (array_agg(price ORDER BY trade_id))[1], max(price), min(price),
       (array_agg(price ORDER BY trade_id))[count(*)], sum(size), sum(price * size), count(*),
       coalesce(sum(size) FILTER (WHERE side = 1), 0),
       coalesce(sum(price * size) FILTER (WHERE side = 1), 0), min(trade_id), max(trade_id)
FROM trades
WHERE instrument_id = $1 AND venue_time >= $2 AND venue_time < $3
GROUP BY 1, 2
"""

FROM_FINER: Final = """
INSERT INTO candles_{base}
SELECT instrument_id, date_bin('{seconds} seconds', bucket, 'epoch'),
       (array_agg(open ORDER BY bucket))[1], max(high), min(low),
       (array_agg(close ORDER BY bucket))[count(*)], sum(volume), sum(quote_volume), sum(trades),
       sum(taker_buy_volume), sum(taker_buy_quote_volume), min(first_trade_id), max(last_trade_id)
FROM candles_{finer}
WHERE instrument_id = $1 AND bucket >= $2 AND bucket < $3
GROUP BY 1, 2
"""

KNOWN: Final = """
INSERT INTO watermarks VALUES ($1, 1, $2, $3::bigint, $4, $4)
ON CONFLICT (instrument_id) DO UPDATE SET first_time = $2, last_id = $3::bigint
"""


async def fill(
    pool: asyncpg.Pool, instrument: int, share: float, trades: int, *, real: int
) -> None:
    """Make the newest `share` of the history, as of a market with `trades` trades in its 30 days.

    With `real`, so many of those trades are rows, and the candles of their days come from them.
    """
    rate = trades / (HISTORY_DAYS["1s"] * 86_400)
    days = HISTORY_DAYS["1s"] * share
    traded_from = END - int(days) * DAY if real else END
    async with pool.acquire() as connection:
        await connection.execute("SET synchronous_commit = off")
        for base in BASES:
            await connection.execute(f"TRUNCATE candles_{base.name}")
        await connection.execute(
            "SELECT outcry_make_room('candles_1s', $1, $2), outcry_make_room('trades', $1, $2)",
            END - int(days + 1) * DAY,
            END,
        )
        for base in BASES:
            start = END - int(HISTORY_DAYS[base.name] * share) * DAY
            sql = CANDLES.format(base=base.name, seconds=base.length // SECOND)
            if start < traded_from:
                await connection.execute(sql, instrument, start, traded_from, rate, timeout=None)
        if real:
            await _trade(connection, instrument, traded_from, real)
        await connection.execute(KNOWN, instrument, END - 20 * 365 * DAY, max(trades, 1), END)
        await connection.execute("VACUUM ANALYZE", timeout=None)


async def _trade(
    connection: asyncpg.pool.PoolConnectionProxy, instrument: int, start: int, count: int
) -> None:
    """Insert `count` trades between `start` and END, day by day, and the candles made of them."""
    await connection.execute("TRUNCATE trades")
    days = (END - start) // DAY
    per_day = count // days
    began = time.monotonic()
    for day in range(days):
        low = start + day * DAY
        span = (instrument, low, low + DAY)
        await connection.execute(TRADES, *span, day * per_day, per_day, timeout=None)
        await connection.execute(FROM_TRADES, *span, timeout=None)
        for finer, base in pairwise(BASES):
            sql = FROM_FINER.format(base=base.name, finer=finer.name, seconds=base.length // SECOND)
            await connection.execute(sql, *span, timeout=None)
        done = (day + 1) * per_day
        print(f"  {done:>13,} trades, {time.monotonic() - began:6.0f} s", flush=True)


def iso(time_us: int) -> str:
    """Return µs as ISO 8601."""
    moment = dt.datetime.fromtimestamp(time_us // SECOND, dt.UTC)
    return moment.isoformat().replace("+00:00", "Z")
