"""Read blocks: a fixed stretch of one market's candles, as the text they are answered with."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres import candle_sql
from openoutcry.adapters.postgres.coverage_rows import read_coverage
from openoutcry.adapters.postgres.pool import Pool, connection, fetch, fetch_value
from openoutcry.core.completeness import complete_flags
from openoutcry.core.coverage import Coverage
from openoutcry.core.fill import quiet_buckets
from openoutcry.core.intervals import SECOND, Interval

ROWS: Final = 256
"""Candles in a block: few enough that the newest block is quick to read anew."""

_TAILS: Final = {True: ',"complete":true}', False: ',"complete":false}'}


class Kind(StrEnum):
    """What a block's rows are: objects of `GET /candles`, or rows of Binance's `/klines`."""

    CANDLES = "candles"
    KLINES = "klines"


class Block(Struct, frozen=True):
    """The rows of the buckets from `start` to before `end` (µs), ascending.

    `first_ids` and `last_ids` are those of klines, -1 where there is none. `coverage` is what was
    known when the rows were read; klines have rows for quiet buckets as well.
    """

    start: int
    end: int
    starts: list[int]
    rows: list[str]
    coverage: Coverage
    first_ids: list[int] = []
    last_ids: list[int] = []

    @property
    def size(self) -> int:
        """Return about how many bytes of memory it takes."""
        return 600 + 56 * len(self.rows) + len(self.rows) * (len(self.rows[0]) if self.rows else 0)


def block_start(interval: Interval, time: int) -> int:
    """Return the start of the block that holds `time`."""
    if interval.name == "1M":
        return 0  # 256 months are more than a market's life, and 1970 is as good a start as any
    span = ROWS * interval.length
    return time - (time - interval.origin) % span


def block_end(interval: Interval, start: int) -> int:
    """Return the end (exclusive) of the block that starts at `start`."""
    return start + (4 * ROWS if interval.name == "1M" else ROWS) * interval.length


class BlockReader:
    """Blocks from the store. Every method may raise StoreUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def coverage(self, instrument: int) -> Coverage:
        """Return what is known of an instrument at this moment."""
        async with connection(self._pool) as lent:
            return await read_coverage(lent, instrument)

    async def read(
        self, instrument: int, interval: Interval, kind: Kind, start: int, coverage: Coverage
    ) -> Block:
        """Return the block that starts at `start`; `coverage` is at least as old as its rows."""
        end = block_end(interval, start)
        if kind is Kind.CANDLES:
            return await self._candles(instrument, interval, start, end, coverage)
        return await self._klines(instrument, interval, start, end, coverage)

    async def before(self, instrument: int, interval: Interval, bucket: int) -> int | None:
        """Return the start of the last stored candle that starts before `bucket`."""
        found: int | None = await fetch_value(
            self._pool, candle_sql.before(interval), instrument, bucket
        )
        return found

    async def after(self, instrument: int, interval: Interval, bucket: int) -> int | None:
        """Return the start of the first stored candle that starts at `bucket` or later."""
        found: int | None = await fetch_value(
            self._pool, candle_sql.after(interval), instrument, bucket
        )
        return found

    async def _candles(
        self, instrument: int, interval: Interval, start: int, end: int, coverage: Coverage
    ) -> Block:
        sql = candle_sql.json_heads(interval)
        ((seconds, heads),) = await fetch(self._pool, sql, instrument, start, end, None)
        starts = [second * SECOND for second in seconds or ()]
        flags = complete_flags(interval, starts, coverage)
        lines = heads.split("\n") if heads else []
        rows = [head + _TAILS[flag] for head, flag in zip(lines, flags, strict=True)]
        return Block(start, end, starts, rows, coverage)

    async def _klines(
        self, instrument: int, interval: Interval, start: int, end: int, coverage: Coverage
    ) -> Block:
        sql = candle_sql.klines(interval)
        ((seconds, lines, first_ids, last_ids),) = await fetch(
            self._pool, sql, instrument, start, end, None
        )
        starts = [second * SECOND for second in seconds or ()]
        rows = lines.split("\n") if lines else []
        block = Block(start, end, starts, rows, coverage, first_ids or [], last_ids or [])
        if len(starts) == ROWS:
            return block
        before: tuple[int, str] | None = None
        if not starts or starts[0] != start:
            found = await fetch(self._pool, candle_sql.before(interval), instrument, start)
            before = (found[0][0], kline_number(found[0][1])) if found else None
        return _with_quiet(block, interval, before)


def _with_quiet(block: Block, interval: Interval, before: tuple[int, str] | None) -> Block:
    """Return klines with rows for the buckets in which nobody traded."""
    quiet = quiet_buckets(
        block.starts,
        interval,
        start=block.start,
        end=block.end,
        before=before and before[0],
        coverage=block.coverage,
    )
    if not quiet:
        return block
    early = before[1] if before else ""
    rows = [
        (
            bucket,
            quiet_kline(bucket, interval, early if at < 0 else close_of(block.rows[at])),
            -1,
            -1,
        )
        for bucket, at in quiet
    ]
    rows += zip(block.starts, block.rows, block.first_ids, block.last_ids, strict=True)
    rows.sort()
    starts, texts, firsts, lasts = (list(column) for column in zip(*rows, strict=True))
    return Block(block.start, block.end, starts, texts, block.coverage, firsts, lasts)


def quiet_kline(bucket: int, interval: Interval, close: str) -> str:
    """Return the row of a bucket in which nobody traded, at the price `close`."""
    zero = '"0.00000000"'
    start, end = bucket // 1000, interval.next(bucket) // 1000 - 1
    price = f'"{close}"'
    return f'[{start},{price},{price},{price},{price},{zero},{end},{zero},0,{zero},{zero},"0"]'


def close_of(row: str) -> str:
    """Return the close of a kline's row."""
    return row.split(",", 5)[4][1:-1]


def kline_number(number: object) -> str:
    """Return a decimal as klines write it: eight places, or more where eight would round."""
    whole, _, places = f"{number:f}".partition(".")
    return f"{whole}.{places:0<8}"
