"""Read blocks: a fixed stretch of one market's candles, as the text they are answered with."""

from __future__ import annotations

import time
from bisect import bisect_left
from enum import StrEnum
from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres import candle_sql
from openoutcry.adapters.postgres.coverage_rows import read_coverage
from openoutcry.adapters.postgres.pool import Pool, Source, connection, fetch, fetch_value
from openoutcry.core.completeness import complete_flags
from openoutcry.core.coverage import Coverage
from openoutcry.core.fill import quiet_buckets
from openoutcry.core.intervals import DAY, MINUTE, SECOND, Interval

SETTLING: Final = 2 * MINUTE
"""Blocks that end later than this before now are written to all the time: only the primary is asked
for them, for a replica that has to catch up with each commit is no help."""

ROWS: Final = 64
"""Candles in a block: the newest one is read anew with every change, which takes PostgreSQL a quarter
of the time that 256 rows would. Blocks that are missing together are read together."""

_MONTHS: Final = 1024 * 31 * DAY  # more than a market's life: all months are one block

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
        return 0
    span = ROWS * interval.length
    return time - (time - interval.origin) % span


def block_end(interval: Interval, start: int) -> int:
    """Return the end (exclusive) of the block that starts at `start`."""
    return start + (_MONTHS if interval.name == "1M" else ROWS * interval.length)


def blocks_within(interval: Interval, start: int, last: int, rows: int) -> int:
    """Return how many blocks from the one at `start` on may be needed for `rows` rows up to `last`."""
    if interval.name == "1M":
        return 1
    return min((last - start) // (ROWS * interval.length), -(-rows // ROWS)) + 1


class Run(Struct, frozen=True):
    """So many blocks next to one another, the first of which starts at `start` (µs)."""

    start: int
    count: int


class BlockReader:
    """Blocks from the store, those of the past by way of `history`.

    Every method may raise StoreUnavailableError.
    """

    def __init__(self, pool: Pool, history: Source | None = None) -> None:
        self._pool = pool
        self._history = history or pool

    async def coverage(self, instrument: int) -> Coverage:
        """Return what is known of an instrument at this moment."""
        async with connection(self._pool) as lent:
            return await read_coverage(lent, instrument)

    async def read(
        self, instrument: int, interval: Interval, kind: Kind, run: Run, coverage: Coverage
    ) -> list[Block]:
        """Return blocks next to one another; `coverage` is at least as old as their rows."""
        bounds = [run.start]
        for _ in range(run.count):
            bounds.append(block_end(interval, bounds[-1]))
        read = self._candles if kind is Kind.CANDLES else self._klines
        whole = await read(instrument, interval, bounds[0], bounds[-1], coverage)
        return _split(whole, bounds)

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

    def _of(self, end: int) -> Source:
        """Return who is asked for what ends at `end`."""
        return self._history if end < time.time_ns() // 1000 - SETTLING else self._pool

    async def _candles(
        self, instrument: int, interval: Interval, start: int, end: int, coverage: Coverage
    ) -> Block:
        sql = candle_sql.json_heads(interval)
        ((seconds, heads),) = await fetch(self._of(end), sql, instrument, start, end, None)
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
            self._of(end), sql, instrument, start, end, None
        )
        starts = [second * SECOND for second in seconds or ()]
        rows = lines.split("\n") if lines else []
        block = Block(start, end, starts, rows, coverage, first_ids or [], last_ids or [])
        if interval.name != "1M" and len(starts) * interval.length == end - start:
            return block
        before: tuple[int, str] | None = None
        if not starts or starts[0] != start:
            found = await fetch(self._pool, candle_sql.before(interval), instrument, start)
            before = (found[0][0], kline_number(found[0][1])) if found else None
        return _with_quiet(block, interval, before)


def _split(whole: Block, bounds: list[int]) -> list[Block]:
    """Return the rows of one long block as blocks with these bounds."""
    if len(bounds) == 2:
        return [whole]
    at = [bisect_left(whole.starts, bound) for bound in bounds]
    return [
        Block(
            start,
            end,
            whole.starts[low:high],
            whole.rows[low:high],
            whole.coverage,
            whole.first_ids[low:high],
            whole.last_ids[low:high],
        )
        for start, end, low, high in zip(bounds, bounds[1:], at, at[1:], strict=False)
    ]


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
