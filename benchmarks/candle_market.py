"""Fill a scratch database with the candles, and if wanted the trades, of one busy market."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Final

import asyncpg
import numpy as np

from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.postgres.shard_store import ShardStore
from openoutcry.core.batch import Recorded
from openoutcry.core.candles import fold_all
from openoutcry.core.frames import SCALE, TRADE, Table
from openoutcry.core.intervals import BASES, SECOND

END: Final = 1_767_225_600 * SECOND  # 2026-01-01
DAY: Final = 86_400 * SECOND

# How far back each stored interval goes: seconds have retention, days reach as far as exchanges do.
HISTORY_DAYS: Final = {
    "1s": 30,
    "30s": 365,
    "1m": 365,
    "5m": 1095,
    "30m": 5475,
    "1h": 5475,
    "2h": 5475,
    "4h": 5475,
    "1d": 5475,
}

_PARTS: Final = 12  # commits a day

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

KNOWN: Final = """
INSERT INTO watermarks VALUES ($1, 1, $2, $3::bigint, $4, $4)
ON CONFLICT (instrument_id) DO UPDATE SET first_time = $2, last_id = $3::bigint
"""


async def fill(url: str, share: float, trades: int, *, real: bool) -> None:
    """Make the newest `share` of the history, as of a market with `trades` trades in its 30 days.

    With `real`, those trades are rows, and the candles of their days come from them.
    """
    rate = trades / (HISTORY_DAYS["1s"] * share * 86_400)
    days = int(HISTORY_DAYS["1s"] * share)
    traded_from = END - days * DAY if real else END
    pool = await open_pool(url, application_name="benchmark", command_timeout=None)
    async with pool.acquire() as connection:
        await connection.execute("SET synchronous_commit = off")
        instrument = await connection.fetchval(INSTRUMENT)
        for table in ("trades", "candles_1s"):
            await connection.execute(
                "SELECT outcry_make_room($1, $2, $3)", table, END - days * DAY, END
            )
        for base in BASES:
            start = END - int(HISTORY_DAYS[base.name] * share) * DAY
            sql = CANDLES.format(base=base.name, seconds=base.length // SECOND)
            if start < traded_from:
                await connection.execute(sql, instrument, start, traded_from, rate)
        if real:
            await _trade(url, instrument, days, trades)
        await connection.execute(KNOWN, instrument, END - 20 * 365 * DAY, trades, END)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    await pool.close()


async def _trade(url: str, instrument: int, days: int, count: int) -> None:
    """Commit `count` trades of the newest `days` days as a recorder does, with their candles."""
    began, done = time.monotonic(), 0
    batches = iter([(day, part) for day in range(days) for part in range(_PARTS)])
    size = count // (days * _PARTS)
    scales = np.array([(instrument, 2, 5)], SCALE)

    async def commit(shard: int) -> None:
        nonlocal done
        connection = await asyncpg.connect(url)
        await connection.execute("SET synchronous_commit = off")
        store = await ShardStore.own(connection, shard)
        assert store is not None
        for day, part in batches:
            start = END - (days - day) * DAY + part * (DAY // _PARTS)
            trades = _trades(instrument, start, DAY // _PARTS, done + 1, size)
            done += size
            deltas = list(fold_all(trades).items())
            await store.commit(Recorded(trades, scales, deltas, []), f"benchmark{shard}", "0-0")
            if part == _PARTS - 1:
                print(f"  {done:>13,} trades, {time.monotonic() - began:6.0f} s", flush=True)
        await store.close()

    # Two, so that one encodes while the server writes the other's.
    await asyncio.gather(commit(0), commit(1))


def _trades(instrument: int, start: int, length: int, first_id: int, count: int) -> Table:
    """Return `count` trades evenly in `length` µs from `start`, at prices that wander."""
    draw = np.random.default_rng(first_id)
    rows = np.zeros(count, TRADE)
    rows["instrument"] = instrument
    rows["venue_time"] = start + np.arange(count) * length // count
    rows["received_time"] = rows["venue_time"] + 20_000
    rows["trade_id"] = first_id + np.arange(count)
    rows["price"] = (
        6_000_000 + 90_000 * np.sin(rows["trade_id"] / 1e7) + draw.integers(0, 2000, count)
    )
    rows["size"] = draw.integers(1, 200_000, count)
    rows["side"] = draw.choice([-1, 1], count)
    return rows


def iso(time_us: int) -> str:
    """Return µs as ISO 8601."""
    moment = dt.datetime.fromtimestamp(time_us // SECOND, dt.UTC)
    return moment.isoformat().replace("+00:00", "Z")
