"""Pages of candles and klines, put together from blocks."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from typing import Protocol

from openoutcry.adapters.postgres.block_reader import (
    Block,
    BlockReader,
    Kind,
    Run,
    block_start,
    blocks_within,
    close_of,
    quiet_kline,
)
from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.model import Instrument
from openoutcry.services.ready_pages import Page, ReadyPages


class Blocks(Protocol):
    """Where blocks come from. Every method may raise StoreUnavailableError."""

    async def get(
        self, instrument: Instrument, interval: Interval, kind: Kind, run: Run
    ) -> list[Block]:
        """Return blocks next to one another, as the store has them now."""

    async def before(self, instrument: Instrument, interval: Interval, bucket: int) -> int | None:
        """Return the start of the last stored candle that starts before `bucket`."""

    async def after(self, instrument: Instrument, interval: Interval, bucket: int) -> int | None:
        """Return the start of the first stored candle that starts at `bucket` or later."""


class PageReader:
    """Puts pages together, and keeps whole answers in `ready`.

    Every method may raise StoreUnavailableError.
    """

    def __init__(self, blocks: Blocks, ready: ReadyPages) -> None:
        self.ready = ready
        self._blocks = blocks

    async def candles(
        self, instrument: Instrument, interval: Interval, start: int, end: int, limit: int
    ) -> Page:
        """Return the first `limit` candles that start within start..end (µs, both inclusive)."""
        floor = interval.floor(start)
        first = floor if floor == start else interval.next(floor)
        stop = interval.next(interval.floor(end))
        if first >= stop:
            return Page([], [], [], [], [])
        page = await self._forward(instrument, interval, Kind.CANDLES, (first, stop - 1), limit)
        reached = interval.next(page.starts[-1]) if len(page.rows) == limit else stop
        page.known = _known(page.blocks, interval, first, reached)
        return page

    async def klines(
        self,
        instrument: Instrument,
        interval: Interval,
        span: tuple[int | None, int | None],
        limit: int,
        now: int,
    ) -> Page:
        """Return klines that start within `span` (µs, both inclusive) and not after `now`.

        With a start the oldest `limit` of them, else the newest. Quiet buckets have rows where it is
        known that nobody traded, the one that is forming too, once something of it is known.
        """
        start, end = span
        last = interval.floor(now if end is None else min(now, end))
        if start is None:
            page = await self._backward(instrument, interval, last, limit + 1)
            self._forming(page, interval, last, now)
            _keep(page, slice(-limit, None))
            return page
        floor = interval.floor(start)
        first = floor if floor == start else interval.next(floor)
        page = await self._forward(instrument, interval, Kind.KLINES, (first, last), limit)
        if len(page.rows) < limit and first <= last:
            if not page.rows and first == last:
                await self._forming_after(page, instrument, interval, last, now)
            else:
                self._forming(page, interval, last, now)
        return page

    async def _forward(
        self,
        instrument: Instrument,
        interval: Interval,
        kind: Kind,
        bounds: tuple[int, int],
        limit: int,
    ) -> Page:
        page = Page([], [], [], [], [])
        first, last = bounds
        at = block_start(interval, first)
        while at <= last:
            run = Run(at, blocks_within(interval, at, last, limit - len(page.rows)))
            for block in await self._blocks.get(instrument, interval, kind, run):
                low, high = bisect_left(block.starts, first), bisect_right(block.starts, last)
                _take(page, block, slice(low, min(high, low + limit - len(page.rows))))
                if len(page.rows) >= limit:
                    return page
            at = block.end
            if not block.rows and at <= last:
                found = await self._blocks.after(instrument, interval, at)
                if found is None:
                    break
                at = block_start(interval, found)
        return page

    async def _backward(
        self, instrument: Instrument, interval: Interval, last: int, limit: int
    ) -> Page:
        taken: list[tuple[Block, slice]] = []
        at, missing = block_start(interval, last), limit
        while missing > 0:
            first = block_start(interval, interval.back(last, missing - 1)) if not taken else at
            run = Run(min(first, at), blocks_within(interval, min(first, at), at, 2 * missing))
            for block in reversed(await self._blocks.get(instrument, interval, Kind.KLINES, run)):
                high = bisect_right(block.starts, last)
                low = max(0, high - missing)
                taken.append((block, slice(low, high)))
                missing -= high - low
                if missing == 0:
                    break
            if missing == 0:
                break
            if block.rows:
                before: int | None = block.start - 1
            else:
                before = await self._blocks.before(instrument, interval, block.start)
            if before is None or before < 0:
                break
            at = block_start(interval, before)
        page = Page([], [], [], [], [])
        for block, rows in reversed(taken):
            _take(page, block, rows)
        return page

    @staticmethod
    def _forming(page: Page, interval: Interval, last: int, now: int) -> None:
        """Add the bucket that is forming, if nobody has traded in it as far as is known."""
        if page.rows and page.starts[-1] < last == interval.floor(now):
            coverage = page.blocks[-1].coverage
            if interval.next(page.starts[-1]) == last and _quiet_so_far(
                coverage, interval, page.starts[-1], last
            ):
                _add_quiet(page, last, quiet_kline(last, interval, close_of(page.rows[-1])))

    async def _forming_after(
        self,
        page: Page,
        instrument: Instrument,
        interval: Interval,
        last: int,
        now: int,
    ) -> None:
        """Like `_forming`, where the page has nothing but that bucket: its price is before it."""
        if last == interval.floor(now):
            earlier = await self._backward(instrument, interval, interval.back(last, 1), 1)
            page.blocks += earlier.blocks
            self._forming(earlier, interval, last, now)
            if earlier.starts and earlier.starts[-1] == last:
                _add_quiet(page, last, earlier.rows[-1])


def _quiet_so_far(coverage: Coverage, interval: Interval, since: int, bucket: int) -> bool:
    base = INTERVALS[interval.base].length
    return bucket < coverage.reach(interval.next(since) - 1, base) >= coverage.last(base)


def _add_quiet(page: Page, bucket: int, row: str) -> None:
    page.starts.append(bucket)
    page.rows.append(row)
    page.first_ids.append(-1)
    page.last_ids.append(-1)


def _take(page: Page, block: Block, rows: slice) -> None:
    page.blocks.append(block)
    page.starts += block.starts[rows]
    page.rows += block.rows[rows]
    page.first_ids += block.first_ids[rows]
    page.last_ids += block.last_ids[rows]


def _keep(page: Page, rows: slice) -> None:
    page.starts, page.rows = page.starts[rows], page.rows[rows]
    page.first_ids, page.last_ids = page.first_ids[rows], page.last_ids[rows]


def _known(blocks: list[Block], interval: Interval, start: int, end: int) -> bool:
    """Return whether all of start..end was known when the blocks over it were read."""
    base = INTERVALS[interval.base].length
    for block in blocks:
        reached = end if block is blocks[-1] else min(end, block.end)
        if not block.coverage.covers(start, reached, base):
            return False
        start = reached
    return bool(blocks)


class DirectBlocks:
    """Blocks read anew each time; coverage may be `ttl` seconds old, which is only too careful."""

    def __init__(self, reader: BlockReader, ttl: float = 1.0) -> None:
        self._reader = reader
        self._ttl = ttl
        self._coverage: dict[int, tuple[float, Coverage]] = {}

    async def before(self, instrument: Instrument, interval: Interval, bucket: int) -> int | None:
        """Return the start of the last stored candle that starts before `bucket`."""
        return await self._reader.before(instrument.id, interval, bucket)

    async def after(self, instrument: Instrument, interval: Interval, bucket: int) -> int | None:
        """Return the start of the first stored candle that starts at `bucket` or later."""
        return await self._reader.after(instrument.id, interval, bucket)

    async def get(
        self, instrument: Instrument, interval: Interval, kind: Kind, run: Run
    ) -> list[Block]:
        """Return blocks next to one another."""
        read_at, coverage = self._coverage.get(instrument.id, (float("-inf"), Coverage()))
        if time.monotonic() - read_at > self._ttl:
            # Coverage goes first: what it calls known was committed before the candles are read.
            read_at, coverage = time.monotonic(), await self._reader.coverage(instrument.id)
            self._coverage[instrument.id] = (read_at, coverage)
        return await self._reader.read(instrument.id, interval, kind, run, coverage)
