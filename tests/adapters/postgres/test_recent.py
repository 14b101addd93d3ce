"""The hub's snapshots from a real database."""

from __future__ import annotations

from decimal import Decimal

import asyncpg
import pytest

from openoutcry.adapters.postgres.recent import RecentReader
from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.intervals import BASES, MINUTE, SECOND
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import Candle, Side, Trade

START = 1_767_225_600_000_000


async def _instrument(store: asyncpg.Pool) -> int:
    found: int = await store.fetchval(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', 'BTCUSDT', 'BTC', 'USDT', 2, 5) RETURNING id"
    )
    return found


async def test_an_unknown_symbol_is_empty(store: asyncpg.Pool) -> None:
    """A symbol without an instrument has no rows, no coverage and no trades, until it has."""
    reader = RecentReader(store, "binance")
    for base in BASES:
        assert await reader.recent("BTCUSDT", base.name, START) == ([], Coverage())
    assert await reader.newest_trades("BTCUSDT", START, 5) == []
    await _instrument(store)
    assert await reader.recent("BTCUSDT", "1m", START) == ([], Coverage())


async def test_candles_and_coverage(store: asyncpg.Pool) -> None:
    """Rows come ascending within the range, with spans of every base and the suspected gaps."""
    instrument = await _instrument(store)
    for minute in (2, 0, 1, -1):
        await store.execute(
            "INSERT INTO candles_1m VALUES ($1, $2, 1.5, 3, 1, 2, 10, 20, $3, 4, 8, 1, 2)",
            instrument,
            START + minute * MINUTE,
            7 + minute,
        )
    await store.execute(
        "INSERT INTO watermarks VALUES ($1, 1, $2, 9, $3, $4)",
        instrument,
        START - 1,
        START + 3 * SECOND,
        START + 4 * SECOND + 1,
    )
    await store.execute(
        "INSERT INTO coverage VALUES ($1, 60, $2, $3)",
        instrument,
        START - MINUTE,
        START,
    )
    for state in ("suspected", "filled", "absent"):
        await store.execute(
            "INSERT INTO gaps (instrument_id, from_id, to_id, missing, from_time, to_time, state)"
            " VALUES ($1, 3, 4, '{[3,5)}', $2, $3, $4)",
            instrument,
            START + SECOND,
            START + 2 * SECOND,
            state,
        )
    reader = RecentReader(store, "binance")
    rows, coverage = await reader.recent("BTCUSDT", "1m", START)
    assert [row.bucket for row in rows] == [START, START + MINUTE, START + 2 * MINUTE]
    d = Decimal
    figures = (d("1.5"), d(3), d(1), d(2), d(10), d(20), 7, d(4), d(8))
    assert rows[0] == Candle(START, *figures, first_id=1, last_id=2)
    assert coverage == Coverage(
        (Span(0, START, START + 4 * SECOND + 1), Span(60, START - MINUTE, START)),
        ((START + SECOND, START + 2 * SECOND),),
    )
    rows, _ = await reader.recent("BTCUSDT", "1m", START, START + 2 * MINUTE)
    assert [row.trades for row in rows] == [7, 8]


async def test_newest_trades(store: asyncpg.Pool) -> None:
    """The newest trades come by ascending id, no older than asked."""
    instrument = await _instrument(store)
    await store.execute("SELECT outcry_make_room('trades', $1, $1)", START)
    for id_ in range(1, 6):
        await store.execute(
            "INSERT INTO trades VALUES ($1, $2, $2, $3, 1.5, 0.25, $4)",
            instrument,
            START + id_,
            id_,
            1 if id_ % 2 else -1,
        )
    reader = RecentReader(store, "binance")
    trades = await reader.newest_trades("BTCUSDT", START, 2)
    assert [trade.trade_id for trade in trades] == [4, 5]
    assert trades[0] == Trade(
        "binance", "BTCUSDT", 4, Decimal("1.5"), Decimal("0.25"), Side.SELL, START + 4, START + 4
    )
    assert [t.trade_id for t in await reader.newest_trades("BTCUSDT", START + 5, 9)] == [5]
    inside = await reader.trades_between("BTCUSDT", 2, 4, START, START + 9)
    assert [trade.trade_id for trade in inside] == [2, 3, 4]
    assert inside[-1] == trades[0]
    assert len(await reader.trades_between("BTCUSDT", 2, 4, START, START + 3)) == 2
    assert await reader.trades_between("ETHUSDT", 2, 4, START, START + 9) == []


async def test_a_database_that_is_away(database_url: str) -> None:
    """A pool that cannot answer is an error that says so, worth another try."""
    pool = await asyncpg.create_pool(database_url, min_size=0)
    await pool.close()
    with pytest.raises(StoreUnavailableError):
        await RecentReader(pool, "binance").recent("BTCUSDT", "1m", START)
