"""Fold made-up trades into candle rows, and keep the folded rows in pages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openoutcry.core.intervals import MINUTE, SECOND, Interval
from openoutcry.sandbox.noise import Ints
from openoutcry.sandbox.tape import BLOCK, Tape, Trades

ROWS: Final = np.dtype(
    [
        ("bucket", "<i8"),
        ("open", "<i8"),
        ("high", "<i8"),
        ("low", "<i8"),
        ("close", "<i8"),
        ("volume", "<i8"),
        ("quote", "<i8"),
        ("trades", "<i8"),
        ("bought", "<i8"),
        ("bought_quote", "<i8"),
        ("first", "<i8"),
        ("last", "<i8"),
    ]
)
"""Candle rows: prices in ticks, volumes in steps, quote volumes in ticks x steps; ids inclusive."""

Rows = NDArray[np.void]

_CHUNK: Final = 200_000
"""Most trades made at one go, so that nobody waits long."""


def fold(trades: Trades, length: int) -> Rows:
    """Return one row per touched bucket of `length` µs, ascending; `trades` ascend by id."""
    buckets = trades["time"] - trades["time"] % length
    starts = np.flatnonzero(np.diff(buckets, prepend=-1))
    rows = np.empty(len(starts), dtype=ROWS)
    if not len(starts):
        return rows
    ends = np.append(starts[1:], len(trades)) - 1
    price, size, bought = trades["price"], trades["size"], trades["bought"]
    quote = price * size
    rows["bucket"] = buckets[starts]
    rows["open"], rows["close"] = price[starts], price[ends]
    rows["high"] = np.maximum.reduceat(price, starts)
    rows["low"] = np.minimum.reduceat(price, starts)
    rows["volume"] = np.add.reduceat(size, starts)
    rows["quote"] = np.add.reduceat(quote, starts)
    rows["trades"] = ends - starts + 1
    rows["bought"] = np.add.reduceat(np.where(bought, size, 0), starts)
    rows["bought_quote"] = np.add.reduceat(np.where(bought, quote, 0), starts)
    rows["first"], rows["last"] = trades["id"][starts], trades["id"][ends]
    return rows


def bucket_starts(times: Ints, interval: Interval) -> Ints:
    """Return the start of each time's bucket."""
    if interval.name == "1M":
        return np.array([interval.floor(int(time)) for time in times], dtype=np.int64)
    return times - (times - interval.origin) % interval.length


def groups(buckets: Ints) -> Ints:
    """Return where each run of equal buckets starts."""
    return np.flatnonzero(np.diff(buckets, prepend=-1))


def wide_sums(column: Ints, starts: Ints) -> list[int]:
    """Return exact sums of runs of a column that starts at `starts`, however big they get."""
    high = np.add.reduceat(column >> 32, starts)
    low = np.add.reduceat(column & 0xFFFFFFFF, starts)
    return [
        (int(upper) << 32) + int(lower)
        for upper, lower in zip(high.tolist(), low.tolist(), strict=True)
    ]


class Pages:
    """Rows of one base length, filled from the front as far as anybody asked."""

    def __init__(self, tape: Tape, length: int, per_page: int, keep: int) -> None:
        self._tape = tape
        self._length = length
        self._per_page = per_page
        self._keep = keep
        self._pages: OrderedDict[int, tuple[Rows, list[int]]] = OrderedDict()

    def rows(self, start: int, end: int) -> Iterator[Rows | None]:
        """Yield pieces of the rows that start from `start` to before `end` (µs, whole buckets).

        None is yielded after every chunk of work: a good moment to let others run. Buckets without
        a trade have no row. `end` must not lie in the future.
        """
        span = self._length * self._per_page
        for number in range(start // span, (end - 1) // span + 1):
            begin = number * span
            low = (max(start, begin) - begin) // self._length
            high = (min(end, begin + span) - begin) // self._length
            page, filled = self._page(number)
            while filled[0] < high:
                self._fill(page, filled, begin, high)
                yield None
            piece = page[low:high]
            yield piece[piece["trades"] > 0]

    def _page(self, number: int) -> tuple[Rows, list[int]]:
        if number not in self._pages:
            self._pages[number] = (np.zeros(self._per_page, dtype=ROWS), [0])
            if len(self._pages) > self._keep:
                self._pages.popitem(last=False)
        self._pages.move_to_end(number)
        return self._pages[number]

    def _fill(self, page: Rows, filled: list[int], begin: int, high: int) -> None:
        blocks = self._length // BLOCK
        first = begin // BLOCK + filled[0] * blocks
        units = high - filled[0]
        while units > 1 and self._tape.total(first, first + units * blocks) > _CHUNK:
            units = (units + 1) // 2
        single = units * blocks == 1
        trades = (
            self._tape.block(first) if single else self._tape.make(first, first + units * blocks)
        )
        rows = fold(trades, self._length)
        page[(rows["bucket"] - begin) // self._length] = rows
        filled[0] += units


def seconds(tape: Tape) -> Pages:
    """Return pages of one-second rows, an hour each."""
    return Pages(tape, SECOND, 3600, keep=48)


def minutes(tape: Tape) -> Pages:
    """Return pages of one-minute rows, a day each."""
    return Pages(tape, MINUTE, 1440, keep=120)
