"""The recorder against real engines: whatever comes, each trade once and every candle right."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import numpy as np
import pytest
from redis.asyncio import Redis

import tape
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, decode, empty, encode
from recorderkit import gaps, impatient, letters, make, market, record_all, running
from tape import STREAM, T0, Print, frame_of, put, run_of, until

__all__ = ["impatient", "market"]


def refused_by_postgres() -> bytes:
    """Return a good frame whose received time no timestamp can hold."""
    frame = decode(frame_of([Print(1, 900, T0)]))
    trades = frame.trades.copy()
    trades["received_time"] = -(2**62)
    return encode(Frame(frame.kind, 0, frame.scales, frame.marks, trades))


def unknown_instrument() -> bytes:
    """Return a frame of an instrument that nobody has registered."""
    return frame_of([Print(77, 1, T0)])


def absurd_scale() -> bytes:
    """Return a frame whose prices have 19 decimal places."""
    frame = decode(frame_of([Print(1, 901, T0)]))
    return encode(Frame(frame.kind, 0, np.array([(1, 19, 5)], SCALE), frame.marks, frame.trades))


def unscaled() -> bytes:
    """Return a frame of trades that lacks their scales."""
    frame = decode(frame_of([Print(1, 902, T0)]))
    return encode(Frame(frame.kind, 0, empty(SCALE), frame.marks, frame.trades))


def bad_klines() -> bytes:
    """Return a klines frame whose body is noise."""
    return encode(Frame(FrameKind.KLINES, 0, empty(SCALE), empty(MARK), empty(TRADE), b"\xc1"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda: b"no frame", "shorter than its header"),
        (lambda: frame_of([Print(1, 5, T0)])[:-1] + b"?", "checksum"),
        (lambda: b"", "0 bytes"),
        (unknown_instrument, "no instrument 77"),
        (refused_by_postgres, "timestamp out of range"),
        (lambda: frame_of([Print(1, 903, 2**62)]), "1970-9999"),
        (absurd_scale, "above 18"),
        (unscaled, "no scales"),
        (bad_klines, "klines cannot be read"),
    ],
    ids=[
        "noise", "damaged", "empty", "unknown", "refused", "time", "scale", "unscaled", "klines",
    ],
)  # fmt: skip
async def test_a_bad_frame_is_buried_and_the_rest_recorded(
    market: asyncpg.Connection,
    database_url: str,
    valkey: Redis,
    bad: Callable[[], bytes],
    reason: str,
) -> None:
    """A frame that cannot be stored ends as a dead letter with its reason, alone, and is counted."""
    trades = run_of(1, 1, 40)
    frames = [frame_of(trades[at : at + 4]) for at in range(0, 40, 4)]
    ids = await put(valkey, *frames[:5], bad(), *frames[5:])
    recorder = make(valkey, database_url)
    await record_all(recorder, valkey)
    await tape.assert_holds(market, trades)
    buried = await letters(valkey)
    assert [(one["f"], one["entry"], one["stream"]) for one in buried] == [
        (bad(), ids[5], STREAM.encode())
    ]
    assert reason in buried[0]["reason"].decode()
    assert recorder.stats.dead_letters == 1


async def test_a_mark_of_a_new_instrument_is_no_dead_letter(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """An instrument registered while the recorder runs may first be heard of by a mark."""
    async with running(make(valkey, database_url)):
        await put(valkey, frame_of(run_of(1, 1, 2)))
        await until(lambda: tape.drained(valkey))
        await market.execute(
            "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
            " VALUES ('binance', 'NEWUSDT', 'NEW', 'USDT', 2, 5)"
        )
        await put(valkey, tape.heard(3, T0, T0 + 10, -1))
        await until(lambda: tape.drained(valkey))
    assert await letters(valkey) == []


async def test_late_trades_of_one_moment_are_all_kept(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Trades from before the first one, apart in id and equal in time, are islands of their own."""
    trades = [Print(1, n, T0) for n in (50, 10, 20, 30)]
    await put(valkey, *(frame_of([trade]) for trade in trades))
    await record_all(make(valkey, database_url, batch=1), valkey)
    await tape.assert_holds(market, trades)
    assert await letters(valkey) == []


async def test_a_stray_time_makes_only_its_own_day(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A trade of 1970 beside one of 2024 makes partitions for two days, not for all between."""
    trades = [Print(1, 1, 5), Print(1, 2, T0)]
    await put(valkey, frame_of(trades))
    await record_all(make(valkey, database_url), valkey)
    await tape.assert_holds(market, trades)
    assert (
        await market.fetchval(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'trades'::regclass"
        )
        == 2
    )


async def test_ids_that_the_venue_never_had_end_as_absent(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A verified range without some ids closes its gap as absent; restarts remember it."""
    trades = [p for p in run_of(1, 1, 12) if p.trade_id not in (5, 6)]
    await put(valkey, frame_of([p for p in trades if p.trade_id != 7]))
    await record_all(make(valkey, database_url), valkey)
    assert await gaps(market) == [("suspected", [(5, 7)])]
    await put(valkey, tape.verified(1, 5, 7, [p for p in trades if p.trade_id == 7]))
    await record_all(make(valkey, database_url), valkey)
    assert await gaps(market) == [("absent", [])]
    assert await market.fetchval("SELECT absent::text FROM gaps") == "{[5,7)}"
    await put(valkey, frame_of(run_of(1, 6, 6)))  # it did have one of them after all
    await record_all(make(valkey, database_url), valkey)
    assert await market.fetchval("SELECT absent::text FROM gaps") == "{[5,6)}"
    await tape.assert_holds(market, trades + run_of(1, 6, 6))


async def test_the_stream_is_trimmed_behind_what_is_committed(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """What is stored leaves the stream, and the store knows how far it has come."""
    ids = await put(valkey, *(frame_of([trade]) for trade in run_of(1, 1, 1_500)))
    await record_all(make(valkey, database_url, batch=100), valkey)
    assert await valkey.xlen(STREAM) < 500
    row = await market.fetchrow("SELECT stream, entry_id, trades FROM stream_positions")
    assert tuple(row) == (STREAM, ids[-1].decode(), 1_500)


async def test_numbers_wider_than_64_bits_are_stored_exactly(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Volumes beyond 64 bits, and quote volumes far beyond, are recorded to the last digit."""
    huge = 2**62 + 12_345_678_901
    trades = [Print(1, n, T0 + n, huge, huge - n, 1 - n % 2 * 2) for n in range(1, 8)]
    await put(valkey, frame_of(trades))
    recorder = make(valkey, database_url)
    await record_all(recorder, valkey)
    await tape.assert_holds(market, trades)
    assert recorder.stats.dead_letters == 0


async def test_scales_in_the_store_grow_with_the_trades(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A frame at finer scales widens the instrument's; coarser frames after it change nothing."""
    fine = decode(frame_of([Print(1, 1, T0, 61_837_631_234, 20_000_001)]))
    finer = Frame(fine.kind, 0, np.array([(1, 6, 9)], SCALE), fine.marks, fine.trades)
    await put(valkey, encode(finer), frame_of([Print(1, 2, T0)]))
    await record_all(make(valkey, database_url), valkey)
    scales = await market.fetchrow("SELECT price_scale, size_scale FROM instruments WHERE id = 1")
    assert tuple(scales) == (6, 9)
    prices = await market.fetch("SELECT price::text, size::text FROM trades ORDER BY trade_id")
    assert [tuple(row) for row in prices] == [
        ("61837.631234", "0.020000001"),
        ("61837.630000", "0.020000000"),
    ]
    await tape.assert_candles_match(market)
