"""Read candles of any interval, with what is known of their completeness."""

from __future__ import annotations

import time
from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres import candle_sql
from openoutcry.adapters.postgres.coverage_rows import read_coverage
from openoutcry.adapters.postgres.pool import Pool, connection, fetch
from openoutcry.core.completeness import complete_flags
from openoutcry.core.coverage import Coverage
from openoutcry.core.fill import LastClose, fill_previous
from openoutcry.core.intervals import INTERVALS, SECOND, Interval
from openoutcry.model import Candle

_TAILS: Final = {True: ',"complete":true}', False: ',"complete":false}'}


class CandlePage(Struct, frozen=True):
    """Candles of a range as a JSON array, exact to the digit.

    `settled` says that the whole range is over and known, so that the same question will get the
    same answer.
    """

    body: str
    settled: bool


_EMPTY: Final = CandlePage(body="[]", settled=False)


class CandleReader:
    """Candles and coverage from the store; coverage is kept for `coverage_ttl` seconds.

    Ranges are inclusive on both ends by the candles' starts (µs). Every method may raise
    StoreUnavailableError.
    """

    def __init__(self, pool: Pool, coverage_ttl: float = 1.0) -> None:
        self._pool = pool
        self._ttl = coverage_ttl
        self._coverage: dict[int, tuple[float, Coverage]] = {}

    async def candles(
        self, instrument: int, interval: Interval, start: int, end: int, limit: int = 1000
    ) -> list[Candle]:
        """Return the first `limit` candles of a range, ascending, with `complete` set."""
        first, stop = _bounds(interval, start, end)
        if first >= stop:
            return []
        # Coverage goes first: what it calls known was committed before the candles are read.
        coverage = await self.coverage(instrument)
        rows = await fetch(self._pool, candle_sql.values(interval), instrument, first, stop, limit)
        flags = complete_flags(interval, [row[0] for row in rows], coverage)
        return [Candle(*(*row, flag)) for row, flag in zip(rows, flags, strict=True)]

    async def filled(
        self, instrument: int, interval: Interval, start: int, end: int, limit: int = 1000
    ) -> list[Candle]:
        """Return candles like `candles`, with flat ones for the buckets without trades.

        Flat candles stand only where nothing can be missing (see `core.fill`).
        """
        first, stop = _bounds(interval, start, end)
        if first >= stop:
            return []
        coverage = await self.coverage(instrument)
        before = await self.before(instrument, interval, first)
        candles = await self.candles(instrument, interval, start, end, limit)
        last = interval.back(stop, 1)
        return fill_previous(
            candles,
            interval,
            start=first,
            end=last,
            limit=limit,
            before=before,
            coverage=coverage,
        )

    async def page(
        self, instrument: int, interval: Interval, start: int, end: int, limit: int = 1000
    ) -> CandlePage:
        """Return what `candles` returns as JSON objects in the shape of `GET /candles`."""
        first, stop = _bounds(interval, start, end)
        if first >= stop:
            return _EMPTY
        coverage = await self.coverage(instrument)
        sql = candle_sql.json_heads(interval)
        ((starts, heads),) = await fetch(self._pool, sql, instrument, first, stop, limit)
        buckets = [start * SECOND for start in starts or ()]
        flags = complete_flags(interval, buckets, coverage)
        reached = interval.next(buckets[-1]) if len(buckets) == limit else stop
        return _page(_objects(heads or "", flags), interval, first, reached, coverage)

    async def filled_page(
        self, instrument: int, interval: Interval, start: int, end: int, limit: int = 1000
    ) -> CandlePage:
        """Return what `filled` returns as JSON objects in the shape of `GET /candles`."""
        first, stop = _bounds(interval, start, end)
        if first >= stop:
            return _EMPTY
        candles = await self.filled(instrument, interval, start, end, limit)
        objects = ",".join([_object(candle) for candle in candles])
        reached = interval.next(candles[-1].bucket) if len(candles) == limit else stop
        return _page(objects, interval, first, reached, await self.coverage(instrument))

    async def before(self, instrument: int, interval: Interval, bucket: int) -> LastClose | None:
        """Return the close of the last candle that starts before `bucket`."""
        rows = await fetch(self._pool, candle_sql.before(interval), instrument, bucket)
        return LastClose(*rows[0]) if rows else None

    async def coverage(self, instrument: int) -> Coverage:
        """Return what is known of an instrument, at most `coverage_ttl` seconds old.

        Old coverage is only ever too careful: what it knows stays known.
        """
        read_at, coverage = self._coverage.get(instrument, (float("-inf"), Coverage()))
        now = time.monotonic()
        if now - read_at > self._ttl:
            async with connection(self._pool) as lent:
                coverage = await read_coverage(lent, instrument)
            self._coverage[instrument] = (now, coverage)
        return coverage


def _bounds(interval: Interval, start: int, end: int) -> tuple[int, int]:
    """Return the first bucket from `start` on and the end of the last one until `end`."""
    floor = interval.floor(start)
    first = floor if floor == start else interval.next(floor)
    return first, interval.next(interval.floor(end))


def _page(objects: str, interval: Interval, start: int, end: int, coverage: Coverage) -> CandlePage:
    known = coverage.covers(start, end, INTERVALS[interval.base].length)
    return CandlePage(body=f"[{objects}]", settled=known)


def _objects(heads: str, flags: list[bool]) -> str:
    """Return the JSON objects that `heads` (one a line) begin."""
    if all(flags) and flags:
        return heads.replace("\n", _TAILS[True] + ",") + _TAILS[True]
    lines = heads.split("\n") if heads else []
    return ",".join([head + _TAILS[flag] for head, flag in zip(lines, flags, strict=True)])


def _object(candle: Candle) -> str:
    """Return the JSON object that `candle_sql` and `_TAILS` make of the same candle."""
    return (
        f'{{"time":{candle.bucket // SECOND}'
        f',"open":{candle.open:f},"high":{candle.high:f}'
        f',"low":{candle.low:f},"close":{candle.close:f}'
        f',"volume":{candle.volume:f},"quoteVolume":{candle.quote_volume:f}'
        f',"trades":{candle.trades}{_TAILS[candle.complete]}'
    )
