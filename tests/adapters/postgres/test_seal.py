"""Sealed candles: the venue's own rows, and the longer ones that hold them."""

from __future__ import annotations

from decimal import Decimal

import asyncpg
import numpy as np
import pytest

from openoutcry.adapters.postgres.shard_store import ShardStore
from openoutcry.adapters.postgres.times import from_us
from openoutcry.core.batch import record
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, decode, empty
from openoutcry.core.intervals import HOUR, INTERVALS, MINUTE
from openoutcry.core.klines import Klines, encode_klines
from openoutcry.core.ledger import Ledger
from openoutcry.model import Candle
from tape import Print, frame_of

START = 1_723_161_600_000_000 // HOUR * HOUR


def kline(bucket: int, price: str, trades: int) -> Candle:
    """Return a candle of one price; each trade has size 1."""
    at, volume = Decimal(price), Decimal(trades)
    return Candle(bucket, at, at, at, at, volume, volume * at, trades, volume, volume * at)


def klines(base: str, start: int, end: int, *candles: Candle) -> Frame:
    """Return a frame of klines."""
    body = encode_klines(
        [Klines(instrument=1, base=base, start=start, end=end, candles=list(candles))]
    )
    return Frame(FrameKind.KLINES, 0, empty(SCALE), empty(MARK), np.empty(0, TRADE), body)


def trade(trade_id: int, time: int, price: int = 200) -> Frame:
    """Return a frame of one trade of size 1; prices count cents."""
    return decode(frame_of([Print(1, trade_id, time, price * 100, 100_000)]))


async def trades_in(connection: asyncpg.Connection, base: str, bucket: int) -> tuple[int, bool]:
    """Return how many trades a stored candle counts, and whether it is sealed."""
    row = await connection.fetchrow(
        f"SELECT trades, sealed, volume, close FROM candles_{base} WHERE bucket = $1",
        from_us(bucket),
    )
    assert row is not None
    assert row["volume"] == row["trades"]
    return row["trades"], row["sealed"]


async def test_sealed_minutes_and_trades_add_up_in_longer_candles(db: asyncpg.Connection) -> None:
    """Klines replace what was counted in their minutes; late trades there change no longer candle."""
    await db.execute(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', 'BTCUSDT', 'BTC', 'USDT', 2, 5)"
    )
    store = await ShardStore.own(db, 0)
    assert store is not None
    ledger = Ledger(1)

    async def commit(*frames: Frame) -> None:
        await store.commit(record(frames, lambda _: ledger), "s", "1-1")

    await commit(trade(50, START + MINUTE + 1), trade(51, START + 2 * MINUTE + 1, 300))
    sealed = klines(
        "1m", START, START + 2 * MINUTE, kline(START, "100", 7), kline(START + MINUTE, "110", 5)
    )
    for _ in range(2):  # a frame that comes twice changes nothing
        await commit(sealed)
        assert await trades_in(db, "1m", START) == (7, True)
        assert await trades_in(db, "1m", START + MINUTE) == (5, True)
        assert await trades_in(db, "1m", START + 2 * MINUTE) == (1, False)
        for base in ("5m", "30m", "1h", "2h", "1d"):
            assert await trades_in(db, base, START) == (13, False)
    await commit(trade(49, START + 5), trade(52, START + 3 * MINUTE, 250))
    assert await trades_in(db, "1m", START) == (7, True)
    for base in ("5m", "30m", "1h", "2h", "1d"):
        assert await trades_in(db, base, START) == (14, False)
    row = await db.fetchrow("SELECT open, high, low, close FROM candles_1h")
    assert tuple(row) == (100, 300, 100, 250)
    assert await db.fetchval("SELECT count(*) FROM trades") == 4
    assert await db.fetchval("SELECT sum(trades) FROM candles_1s") == 4


@pytest.mark.parametrize("base", ["30m", "1h", "2h"])
async def test_a_sealed_candle_stays_as_it_is(db: asyncpg.Connection, base: str) -> None:
    """Minutes imported after a longer candle leave it alone, and the day counts it once."""
    await db.execute(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', 'BTCUSDT', 'BTC', 'USDT', 2, 5)"
    )
    store = await ShardStore.own(db, 0)
    assert store is not None
    ledger = Ledger(1)
    longer = klines(base, START, INTERVALS[base].next(START), kline(START, "100", 60))
    minute = klines("1m", START, START + MINUTE, kline(START, "100", 3))
    for number, frame in enumerate((longer, minute)):
        await store.commit(record([frame], lambda _: ledger), "s", f"1-{number}")
    assert await trades_in(db, base, START) == (60, True)
    assert (await db.fetchrow("SELECT trades FROM candles_1d"))["trades"] == 60
    partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'candles_1s'::regclass"
    assert await db.fetchval(partitions) == 0
