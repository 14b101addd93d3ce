"""Pages of candles and klines, put together from blocks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from openoutcry.adapters.postgres.block_reader import (
    Block,
    Kind,
    block_start,
    close_of,
    quiet_kline,
)
from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.model import Instrument


class Blocks(Protocol):
    """Where blocks come from. Every method may raise StoreUnavailableError."""

    async def get(
        self, instrument: Instrument, interval: Interval, kind: Kind, start: int
    ) -> Block:
        """Return the block that starts at `start`, as the store has it now."""

    async def before(self, instrument: int, interval: Interval, bucket: int) -> int | None:
        """Return the start of the last stored candle that starts before `bucket`."""

    async def after(self, instrument: int, interval: Interval, bucket: int) -> int | None:
        """Return the start of the first stored candle that starts at `bucket` or later."""


class Page(Struct):
    """Rows of a range, ascending; `blocks` are those that they were taken from.

    `first_ids` and `last_ids` are those of klines. `known`: the whole range is over and known, so
    that the same question will get the same answer.
    """

    starts: list[int]
    rows: list[str]
    blocks: list[Block]
    first_ids: list[int]
    last_ids: list[int]
    known: bool = False


class PageReader:
    """Puts pages together. Every method may raise StoreUnavailableError."""

    def __init__(self, blocks: Blocks) -> None:
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
        page = await self._forward(instrument, interval, Kind.CANDLES, first, stop - 1, limit)
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
            await self._forming(page, interval, last, now)
            _keep(page, slice(-limit, None))
            return page
        floor = interval.floor(start)
        first = floor if floor == start else interval.next(floor)
        page = await self._forward(instrument, interval, Kind.KLINES, first, last, limit)
        if len(page.rows) < limit and first <= last:
            if not page.rows and page.blocks:
                await self._forming_after(page, instrument, interval, first, last, now)
            else:
                await self._forming(page, interval, last, now)
        return page

    async def _forward(
        self, instrument: Instrument, interval: Interval, kind: Kind, first: int, last: int, limit: int
    ) -> Page:
        page = Page([], [], [], [], [])
        at = block_start(interval, first)
        while at <= last:
            block = await self._blocks.get(instrument, interval, kind, at)
            low, high = bisect_left(block.starts, first), bisect_right(block.starts, last)
            _take(page, block, slice(low, min(high, low + limit - len(page.rows))))
            if len(page.rows) >= limit:
                break
            if block.rows:
                at = block.end
            else:
                found = await self._blocks.after(instrument.id, interval, block.end)
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
            block = await self._blocks.get(instrument, interval, Kind.KLINES, at)
            high = bisect_right(block.starts, last)
            low = max(0, high - missing)
            taken.append((block, slice(low, high)))
            missing -= high - low
            if block.rows:
                before: int | None = block.start - 1
            else:
                before = await self._blocks.before(instrument.id, interval, block.start)
            if before is None or before < 0:
                break
            at = block_start(interval, before)
        page = Page([], [], [], [], [])
        for block, rows in reversed(taken):
            _take(page, block, rows)
        return page

    async def _forming(self, page: Page, interval: Interval, last: int, now: int) -> None:
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
        first: int,
        last: int,
        now: int,
    ) -> None:
        """Like `_forming`, where the page has nothing but that bucket: its price is before it."""
        if first == last == interval.floor(now):
            earlier = await self._backward(instrument, interval, interval.back(last, 1), 1)
            page.blocks += earlier.blocks
            await self._forming(earlier, interval, last, now)
            if earlier.starts and earlier.starts[-1] == last:
                _add_quiet(page, last, earlier.rows[-1])


def _quiet_so_far(coverage: Coverage, interval: Interval, since: int, bucket: int) -> bool:
    base = INTERVALS[interval.base].length
    return bucket < coverage.reach(since, base) >= coverage.last(base)


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
    """Return whether all of start..end was known when the blocks were read."""
    base = INTERVALS[interval.base].length
    return bool(blocks) and all(
        block.coverage.covers(start, end, base)
        for block in {id(block.coverage): block for block in blocks}.values()
    )


class DirectBlocks:
    """Blocks read anew each time."""

    def __init__(
        self,
        read: Callable[[int, Interval, Kind, int, Coverage], Awaitable[Block]],
        coverage: Callable[[int], Awaitable[Coverage]],
        before: Callable[[int, Interval, int], Awaitable[int | None]],
        after: Callable[[int, Interval, int], Awaitable[int | None]],
    ) -> None:
        self._read = read
        self._coverage = coverage
        self.before = before
        self.after = after
