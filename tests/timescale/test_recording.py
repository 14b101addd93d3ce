"""The recorder's store on hypertables: whatever way trades come, tape and candles are whole."""

from __future__ import annotations

from decimal import Decimal

import asyncpg
import msgspec
import numpy as np
import pytest

from e2e.audit import TRADES, candle_differences
from openoutcry.adapters.postgres.base_rows import BucketKey, read_rows
from openoutcry.adapters.postgres.times import from_us, to_us
from openoutcry.core.frames import Table
from openoutcry.core.intervals import BASES, DAY, INTERVALS, MINUTE, SECOND
from openoutcry.core.klines import Klines
from openoutcry.core.rollup import merge
from openoutcry.model import Candle, Instrument

from .hypertables import chunks, compress
from .tape import START, STREAM, Tape, list_markets, make_trades, send_badly

pytestmark = pytest.mark.timescale

LIMIT = "timescaledb.max_tuples_decompressed_per_dml_transaction"


async def assert_stored(
    db: asyncpg.Connection, instruments: list[Instrument], trades: Table
) -> None:
    """Assert that the tape holds just these trades, and every candle their own sums."""
    for instrument in instruments:
        rows = await db.fetch(
            TRADES,
            instrument.symbol,
            from_us(START + 999 * DAY),
            instrument.price_scale,
            instrument.size_scale,
        )
        mine = trades[trades["instrument"] == instrument.id]
        names = ["trade_id", "venue_time", "price", "size", "side"]
        wanted = np.column_stack([mine[name] for name in names])
        assert np.array_equal(np.array([tuple(row) for row in rows]), wanted)
    assert await candle_differences(db) == []


async def test_late_and_repeated_trades_end_in_the_same_rows(db: asyncpg.Connection) -> None:
    """Trades out of order, late by batches and sent twice are stored once, in the right candles."""
    instruments = await list_markets(db)
    trades = make_trades(instruments, 1500)
    tape = await Tape.start(db, instruments)
    new = 0
    for batch in send_badly(trades, 12):
        new += await tape.commit(tape.trades(batch))
    assert new == len(trades)
    await assert_stored(db, instruments, trades)
    assert (await chunks(db, "trades"), await chunks(db, "candles_1s")) == (4, 4)
    position = await db.fetchrow("SELECT stream, entry_id, trades FROM stream_positions")
    assert tuple(position) == (STREAM, "12-0", len(trades))


async def test_ledgers_come_back_as_they_were_written(db: asyncpg.Connection) -> None:
    """Watermarks, islands and gaps (multiranges) survive; a gap is filled, another found absent."""
    (market, *_) = instruments = await list_markets(db)
    trades = make_trades([market], 100)
    tape = await Tape.start(db, instruments)

    def ids(low: int, high: int) -> Table:
        wanted: Table = trades[1000 + low - 1000 : high]
        return wanted

    await tape.commit(tape.trades(np.concatenate([ids(10, 20), ids(30, 31), ids(35, 50)])))
    await tape.commit(tape.trades(np.concatenate([ids(22, 25), ids(60, 100), ids(0, 5)])))
    await tape.commit(tape.trades(ids(31, 35)), tape.verified(market.id, 1020, 1029))
    stored = await tape.store.ledgers()
    ledger = tape.ledgers[market.id]
    assert msgspec.structs.asdict(stored[market.id]) == msgspec.structs.asdict(ledger)
    states = await db.fetch("SELECT from_id, to_id, state, absent FROM gaps ORDER BY from_id")
    assert [tuple(row)[:3] for row in states] == [
        (1020, 1029, "absent"),
        (1031, 1034, "filled"),
        (1050, 1059, "suspected"),
    ]
    assert [(r.lower, r.upper) for r in states[0]["absent"]] == [(1020, 1022), (1025, 1030)]
    assert [island.from_id for island in stored[market.id].islands] == [1000]


async def test_compressed_chunks_read_the_same(db: asyncpg.Connection) -> None:
    """Compressing and decompressing changes neither a trade nor a candle."""
    instruments = await list_markets(db)
    trades = make_trades(instruments, 500)
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(trades))
    assert (await compress(db, "trades"), await compress(db, "candles_1s")) == (4, 4)
    await assert_stored(db, instruments, trades)
    await db.execute("SELECT decompress_chunk(c) FROM show_chunks('trades') c")
    await assert_stored(db, instruments, trades)


async def test_late_trades_go_into_compressed_chunks(db: asyncpg.Connection) -> None:
    """A gap filled days later changes compressed candles and adds to a compressed tape."""
    instruments = await list_markets(db)
    trades = make_trades(instruments, 500)
    late = np.random.default_rng(3).random(len(trades)) < 0.2
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(trades[~late]))
    assert (await compress(db, "trades"), await compress(db, "candles_1s")) == (4, 4)
    assert await tape.commit(tape.trades(trades[late])) == late.sum()
    assert await tape.commit(tape.trades(trades[late])) == 0
    await assert_stored(db, instruments, trades)
    assert (await compress(db, "trades"), await compress(db, "candles_1s")) == (4, 4)
    await assert_stored(db, instruments, trades)


async def test_no_limit_stops_late_trades(db: asyncpg.Connection) -> None:
    """TimescaleDB's limit on rows decompressed by one statement does not hold a recorder up."""
    instruments = await list_markets(db)
    trades = make_trades(instruments, 300)
    await db.execute(f"SET {LIMIT} = 5")
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(trades[::2]))
    await compress(db, "candles_1s")
    await tape.commit(tape.trades(trades[1::2]))
    await assert_stored(db, instruments, trades)


async def test_a_batch_that_fails_leaves_nothing(db: asyncpg.Connection) -> None:
    """An error at the end of a commit takes trades and candles of hypertables back, too."""
    instruments = await list_markets(db)
    trades = make_trades(instruments, 50)
    tape = await Tape.start(db, instruments)
    await db.execute("ALTER TABLE stream_positions ADD CONSTRAINT refuse CHECK (trades = 0)")
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await tape.commit(tape.trades(trades))
    finally:
        await db.execute("ALTER TABLE stream_positions DROP CONSTRAINT refuse")
    assert await db.fetchval("SELECT count(*) FROM trades") == 0
    assert await db.fetchval("SELECT count(*) FROM candles_1s") == 0
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(trades))
    await assert_stored(db, instruments, trades)


async def test_rows_are_read_back_by_their_keys(db: asyncpg.Connection) -> None:
    """The announcer's query finds single candles of every base, in compressed chunks as well."""
    instruments = await list_markets(db)
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(make_trades(instruments, 200)))
    await compress(db, "candles_1s")
    keys, wanted = [], {}
    for base in BASES:
        rows = await db.fetch(f"SELECT * FROM candles_{base.name} ORDER BY bucket")
        for row in rows[::7]:
            bucket = to_us(row["bucket"])
            keys.append(BucketKey(base.name, row["instrument_id"], bucket))
            wanted[keys[-1]] = (row["open"], row["close"], row["volume"], row["trades"])
    found = await read_rows(db, keys)
    assert {
        BucketKey(base, instrument, candle.bucket): (
            candle.open,
            candle.close,
            candle.volume,
            candle.trades,
        )
        for instrument, bases in found.items()
        for base, candles in bases.items()
        for candle in candles
    } == wanted


@pytest.mark.parametrize("base", ["1s", "1m"])
@pytest.mark.parametrize("compressed", [False, True])
async def test_klines_seal_their_buckets(
    db: asyncpg.Connection, base: str, *, compressed: bool
) -> None:
    """The venue's candles replace ours, longer ones are renewed, later trades stay out of them."""
    (market, *_) = instruments = await list_markets(db)
    trades = make_trades([market], 400)
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(trades[::2]))
    if compressed:
        await compress(db, "candles_1s")
    length = INTERVALS[base].length
    first = to_us(
        await db.fetchval("SELECT bucket FROM candles_1m ORDER BY bucket OFFSET 9 LIMIT 1")
    )
    sealed = [kline(first + n * length) for n in range(3)]
    klines = Klines(market.id, base, first, first + max(3 * length, MINUTE), sealed)
    await tape.commit(tape.klines(klines))
    await tape.commit(tape.trades(trades[1::2]))
    keys = [BucketKey(base, market.id, candle.bucket) for candle in sealed]
    assert (await read_rows(db, keys))[market.id][base] == sealed
    assert await db.fetchval(f"SELECT count(*) FROM candles_{base} WHERE sealed") == 3
    if base == "1s":
        minute = await read_rows(db, [BucketKey("1m", market.id, first)])
        assert minute[market.id]["1m"] == [await seconds_of(db, market.id, first)]
    ledger = (await tape.store.ledgers())[market.id]
    assert [(span.base, span.start) for span in ledger.klines] == [(length // SECOND, first)]


def kline(bucket: int) -> Candle:
    """Return a candle that no trade of ours makes."""
    d = Decimal
    return Candle(bucket, d(3), d(5), d(1), d("2.5"), d(70), d(200), 9, d("0.1"), d("0.5"))


async def seconds_of(db: asyncpg.Connection, instrument: int, minute: int) -> Candle:
    """Return a minute put together from its stored seconds."""
    keys = [BucketKey("1s", instrument, minute + n * SECOND) for n in range(60)]
    return merge(minute, (await read_rows(db, keys))[instrument]["1s"])


async def test_instruments_keep_their_ids(db: asyncpg.Connection) -> None:
    """Registering again changes no id, and scales only grow."""
    before = await list_markets(db)
    assert await list_markets(db) == before
    grown = msgspec.structs.replace(before[0], price_scale=8, size_scale=0)
    from openoutcry.adapters.postgres.instruments import read, register

    await register(db, [grown])
    (after,) = await read(db, "binance", ["BTCUSDT"])
    assert after == msgspec.structs.replace(before[0], price_scale=8)


async def test_dropped_days_take_nothing_else_along(db: asyncpg.Connection) -> None:
    """Retention drops compressed days of the tape and of seconds; longer candles stay."""
    instruments = await list_markets(db)
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(make_trades(instruments, 200)))
    days = await db.fetchval("SELECT count(*) FROM candles_1d")
    for table in ("trades", "candles_1s"):
        assert await compress(db, table) == 4
        cutoff = from_us(START + DAY)
        assert await db.fetchval("SELECT outcry_drop_older($1, $2)", table, cutoff) == 2
        assert await chunks(db, table) == 2
    oldest = await db.fetchval("SELECT min(venue_time) FROM trades")
    assert oldest >= from_us(START + DAY)
    assert await db.fetchval("SELECT count(*) FROM candles_1d") == days
