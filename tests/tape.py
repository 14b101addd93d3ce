"""A small tape for tests: trades, frames of them, and what the store must hold in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import asyncpg
import numpy as np
from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.postgres.times import from_us
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, empty, encode
from openoutcry.core.intervals import BASES
from openoutcry.core.keys import FRAME_FIELD, RECORDER_GROUP, trades_stream

T0 = 1_723_161_599_000_000
"""A second before midnight, so that tests cross every bucket's bound."""

STREAM = trades_stream(0)


class Print(Struct, frozen=True):
    """One trade, prices and sizes scaled by 2 and 5."""

    instrument: int
    trade_id: int
    time: int
    price: int = 6_183_763
    size: int = 2_000
    side: int = 1


def run_of(
    instrument: int, first: int, last: int, start: int = T0, step: int = 7_000
) -> list[Print]:
    """Return trades `first`..`last`, `step` µs apart by id, with prices and sizes that vary."""
    return [
        Print(instrument, n, start + n * step, 6_000_000 + n * 7919 % 99_991, 1 + n % 97, 1 - n % 2 * 2)
        for n in range(first, last + 1)
    ]  # fmt: skip


def frame_of(
    prints: Sequence[Print],
    kind: FrameKind = FrameKind.TRADES,
    marks: Sequence[tuple[int, int, int, int, int]] = (),
) -> bytes:
    """Return the bytes of a frame; marks are (instrument, extra, low, high, trade_id)."""
    rows = [(p.time, p.time + 1, p.trade_id, p.price, p.size, p.instrument, p.side) for p in prints]
    scales = [(instrument, 2, 5) for instrument in sorted({p.instrument for p in prints})]
    return encode(
        Frame(
            kind,
            0,
            np.array(scales, SCALE) if scales else empty(SCALE),
            np.array([(*mark, 0) for mark in marks], MARK) if marks else empty(MARK),
            np.array(rows, TRADE) if rows else empty(TRADE),
        )
    )


def heard(instrument: int, since: int, until: int, newest: int) -> bytes:
    """Return a frame that says what the feed has heard."""
    return frame_of([], FrameKind.HEARD, [(instrument, 0, since, until, newest)])


def verified(instrument: int, low: int, high: int, prints: Sequence[Print]) -> bytes:
    """Return a frame of all that the venue has in a range of ids."""
    return frame_of(prints, FrameKind.VERIFIED, [(instrument, 0, low, high, 0)])


async def put(valkey: Redis, *frames: bytes) -> list[bytes]:
    """Append frames to the stream; return the ids of their entries."""
    pipeline = valkey.pipeline(transaction=False)
    for frame in frames:
        pipeline.xadd(STREAM, {FRAME_FIELD: frame})
    ids: list[bytes] = await pipeline.execute()
    return ids


async def entries(valkey: Redis, stream: str = STREAM) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return what is on a stream: ids and fields, oldest first."""
    found: Any = await valkey.xrange(stream)
    return list(found)


async def drained(valkey: Redis) -> bool:
    """Return whether the recorders have read and acknowledged everything."""
    stream = await valkey.xinfo_stream(STREAM)
    for group in await valkey.xinfo_groups(STREAM):
        if group["name"].decode() == RECORDER_GROUP:
            reached = group["last-delivered-id"] == stream["last-generated-id"]
            return bool(reached and group["pending"] == 0)
    return False


async def until(
    what: Callable[[], Awaitable[bool]], seconds: float = 45.0, pause: float = 0.01
) -> None:
    """Wait until `what` is so; fail after a generous time."""
    deadline = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(pause)


async def stored(connection: asyncpg.Connection) -> list[tuple[int, int]]:
    """Return instrument and id of every row of trades, repeats included."""
    rows = await connection.fetch(
        "SELECT instrument_id, trade_id FROM trades ORDER BY instrument_id, trade_id"
    )
    return [(row[0], row[1]) for row in rows]


async def assert_holds(connection: asyncpg.Connection, prints: Iterable[Print]) -> None:
    """Check that the store has exactly these trades, and the candles they make at every base."""
    wanted = sorted({p.instrument * 10**12 + p.trade_id: p for p in prints}.items())
    rows = await connection.fetch(
        "SELECT instrument_id, trade_id, venue_time, (price * 100)::bigint, (size * 100000)::bigint,"
        " side FROM trades ORDER BY instrument_id, trade_id"
    )
    assert [tuple(row) for row in rows] == [
        (p.instrument, p.trade_id, from_us(p.time), p.price, p.size, p.side) for _, p in wanted
    ]
    await assert_candles_match(connection)


async def assert_candles_match(connection: asyncpg.Connection) -> None:
    """Check the candles of every base against a plain aggregation of the trades table."""
    for base in BASES:
        found = await connection.fetch(_DIFFERENCE.format(base=base.name, length=base.length))
        assert found == [], f"candles_{base.name} differ"


_DIFFERENCE = """
WITH plain AS (
    SELECT instrument_id, date_bin('{length} microseconds', venue_time, 'epoch') AS bucket,
           (array_agg(price ORDER BY trade_id))[1] AS open, max(price) AS high, min(price) AS low,
           (array_agg(price ORDER BY trade_id DESC))[1] AS close,
           sum(size) AS volume, sum(price * size) AS quote_volume, count(*) AS trades,
           coalesce(sum(size) FILTER (WHERE side = 1), 0) AS taker_buy_volume,
           coalesce(sum(price * size) FILTER (WHERE side = 1), 0) AS taker_buy_quote_volume,
           min(trade_id) AS first_trade_id, max(trade_id) AS last_trade_id, false AS sealed
    FROM trades GROUP BY 1, 2
)
(SELECT 'only in candles', * FROM (TABLE candles_{base} EXCEPT TABLE plain) AS a)
UNION ALL
(SELECT 'only in trades', * FROM (TABLE plain EXCEPT TABLE candles_{base}) AS b)
"""
