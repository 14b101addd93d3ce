"""One made-up symbol's trades: a pure function of seed, symbol and time, readable anywhere.

The model
    Time is cut into blocks of one second, numbered since 1970. How many trades a block has is its
    rate (from the rate schedule), times a slow activity (noise over minutes), times a burst factor
    (drawn per block, log-normal), nearly nothing in a quiet stretch (one of 25 stretches of 20 s).
    Ids are running totals of those counts, so they are consecutive; a skip adds a hole at a block.

    The price level is the symbol's price times one plus noise over octaves of 4 s to 16 days, each
    as high as a random walk of 2.5% a day would get in that time; it is continuous, and trades of a
    block follow the straight line between its two ends, snapped to ticks.

    In a block, trades form orders of one taker: one time, one side, walking up (or down) the book.
    Trades of one order at one price are an aggregate. Each five trades are three aggregates: which
    ones is drawn, how many is not, so that aggregates can be counted without making the trades.
    Times between orders and sizes are drawn from heavy-tailed tables.

Every random number is a hash of (seed, symbol, block, position): nothing is remembered, so a range
made today, after a restart or in two halves is the same to the last digit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from openoutcry.sandbox.listing import MadeUpSymbol
from openoutcry.sandbox.noise import (
    Floats,
    Ints,
    bits,
    lognormal,
    make_key,
    table_noise,
    take,
    uniform,
    value_noise,
)

BLOCK: Final = 1_000_000
"""Length of a block in µs."""
CHAPTER: Final = 3600
"""Blocks whose running totals are kept together."""
FIRST_ID: Final = 1

TRADES: Final = np.dtype(
    [
        ("id", "<i8"),
        ("time", "<i8"),
        ("price", "<i8"),
        ("size", "<i8"),
        ("aggregate", "<i8"),
        ("bought", "?"),
    ]
)
"""Trades as columns: time in µs, price in ticks, size in steps; `bought` by the taker."""

Trades = NDArray[np.void]

_OCTAVES: Final = tuple(4 * 4**power for power in range(10))  # 4 s to 12 days
_QUIET: Final = 0.04
_QUIET_ACTIVITY: Final = 0.05
_QUIET_STRETCH: Final = 20
_MAX_BLOCK: Final = 1 << 20


class RateChange(Struct, frozen=True):
    """From block `block` on, `rate` trades a second on average."""

    block: int
    rate: float


class Skip(Struct, frozen=True):
    """Before the first trade of block `block`, `count` ids that no trade ever has."""

    block: int
    count: int


class _Chapter(Struct, frozen=True):
    """Per block of a chapter: trades, first trade id, first aggregate id."""

    counts: Ints
    ids: Ints
    aggregates: Ints


class Tape:
    """All trades of one symbol from block `listed` on. Ranges of blocks exclude their end."""

    def __init__(
        self,
        symbol: MadeUpSymbol,
        seed: int,
        listed: int,
        schedule: Sequence[RateChange],
        skips: Sequence[Skip] = (),
    ) -> None:
        self.symbol = symbol
        self.listed = listed
        self._name = symbol.listing.symbol
        self._seed = seed
        self._schedule = list(schedule)
        self._skips = list(skips)
        self._totals: list[tuple[int, int]] = [(FIRST_ID, FIRST_ID)]
        self._chapters: OrderedDict[int, _Chapter] = OrderedDict()
        self._blocks: OrderedDict[int, Trades] = OrderedDict()
        self._ticks = float(symbol.price / symbol.listing.tick)
        # A median trade is worth about 60 quote units of a dollar-like quote, at least one step.
        steps = max(1.0, 216.0 / float(symbol.price * symbol.listing.step))
        self._sizes = np.maximum(1, np.rint(lognormal(1.6, 400.0) * steps)).astype(np.int64)
        self._gaps = np.maximum(1, np.rint(lognormal(1.2, 60.0) * 1000.0)).astype(np.int64)

    def change_rate(self, change: RateChange) -> None:
        """Append to the rate schedule; `change.block` must lie after everything yet made."""
        self._schedule = [old for old in self._schedule if old.block < change.block]
        self._schedule.append(change)
        self._forget(change.block)

    def add_skip(self, skip: Skip) -> None:
        """Leave a hole in the ids; `skip.block` must lie after everything yet made."""
        self._skips.append(skip)
        self._forget(skip.block)

    def _forget(self, block: int) -> None:
        del self._totals[max(1, self._index(block) + 1) :]
        for chapter in [kept for kept in self._chapters if kept >= self._index(block)]:
            del self._chapters[chapter]
        for made in [kept for kept in self._blocks if kept >= block]:
            del self._blocks[made]

    # --- how many, and which ids -------------------------------------------------------------

    def counts(self, start: int, end: int) -> Ints:
        """Return how many trades each of the blocks has; none before the listing."""
        blocks = np.arange(start, end, dtype=np.int64)
        rate = np.zeros(len(blocks))
        for change in self._schedule:
            rate[max(0, change.block - start) :] = change.rate
        slow = table_noise(self._key("slow"), blocks, 240, lognormal(0.6, 2.5))
        drawn = bits(self._key("burst"), blocks)
        burst = lognormal(0.6, 3.0)[take(drawn, 0, 12)]
        stretches = blocks // _QUIET_STRETCH
        quiet = uniform(bits(self._key("quiet"), stretches)) < _QUIET
        expected = rate * slow * burst / (1.0 - _QUIET + _QUIET * _QUIET_ACTIVITY)
        expected = np.where(quiet, expected * _QUIET_ACTIVITY, expected)
        counts = (expected + uniform(bits(self._key("rest"), blocks))).astype(np.int64)
        counts[blocks < self.listed] = 0
        return np.minimum(counts, _MAX_BLOCK - 1)

    def first_id(self, block: int) -> int:
        """Return the id that the block's first trade has, or would have."""
        index, row = divmod(block, CHAPTER)
        return int(self._chapter(index).ids[row])

    def last_id(self, now: int) -> int:
        """Return the id of the newest trade at `now` (µs), or one less than the first id."""
        block = now // BLOCK
        trades = self.block(block)
        passed = int(trades["time"].searchsorted(now, "right"))
        return int(trades["id"][passed - 1]) if passed else self.first_id(block) - 1

    def total(self, start: int, end: int) -> int:
        """Return how many trades the blocks have, at most (holes in the ids count)."""
        return self.first_id(end) - self.first_id(start)

    def block_of_id(self, trade_id: int, last: int) -> int:
        """Return the block, not after `last`, where trades with ids from `trade_id` on begin."""
        return self._find(trade_id, last, 0)

    def block_of_aggregate(self, aggregate: int, last: int) -> int:
        """Return the block, not after `last`, where aggregates from `aggregate` on begin."""
        return self._find(aggregate, last, 1)

    def _find(self, wanted: int, last: int, which: int) -> int:
        self._chapter(last // CHAPTER)
        first = self.listed // CHAPTER
        totals = self._totals[: last // CHAPTER - first + 1]
        index = max(0, bisect_right(totals, wanted, key=lambda total: total[which]) - 1)
        chapter = self._chapter(first + index)
        column = chapter.aggregates if which else chapter.ids
        row = max(0, int(np.searchsorted(column, wanted, "right")) - 1)
        return min(max((first + index) * CHAPTER + row, self.listed), last)

    def _index(self, block: int) -> int:
        return block // CHAPTER - self.listed // CHAPTER

    def _chapter(self, chapter: int) -> _Chapter:
        if chapter in self._chapters:
            self._chapters.move_to_end(chapter)
            return self._chapters[chapter]
        first = self.listed // CHAPTER
        if chapter < first:
            start = np.full(CHAPTER, FIRST_ID, dtype=np.int64)
            return _Chapter(np.zeros(CHAPTER, dtype=np.int64), start, start)
        while len(self._totals) <= chapter - first:
            self._sum_chapters(first + len(self._totals) - 1, chapter)
        at_id, at_aggregate = self._totals[chapter - first]
        begin = chapter * CHAPTER
        counts = self.counts(begin, begin + CHAPTER)
        made = _Chapter(
            counts,
            at_id + _before(counts) + self._holes(begin),
            at_aggregate + _before(aggregates_in(counts)),
        )
        self._chapters[chapter] = made
        if len(self._chapters) > 48:
            self._chapters.popitem(last=False)
        return made

    def _sum_chapters(self, start: int, end: int) -> None:
        """Append the totals at the ends of up to 24 chapters from `start` on, before `end`."""
        end = min(end, start + 24)
        counts = self.counts(start * CHAPTER, end * CHAPTER).reshape(-1, CHAPTER)
        trades, aggregates = counts.sum(axis=1), aggregates_in(counts).sum(axis=1)
        for row in range(end - start):
            at_id, at_aggregate = self._totals[-1]
            low, high = (start + row) * CHAPTER, (start + row + 1) * CHAPTER
            holes = sum(skip.count for skip in self._skips if low <= skip.block < high)
            self._totals.append(
                (at_id + int(trades[row]) + holes, at_aggregate + int(aggregates[row]))
            )

    def _holes(self, begin: int) -> Ints:
        holes = np.zeros(CHAPTER, dtype=np.int64)
        for skip in self._skips:
            if begin <= skip.block < begin + CHAPTER:
                holes[skip.block - begin :] += skip.count
        return holes

    # --- the trades --------------------------------------------------------------------------

    def block(self, block: int) -> Trades:
        """Return a block's trades; the last few blocks asked for are kept."""
        if block not in self._blocks:
            self._blocks[block] = self.make(block, block + 1)
            if len(self._blocks) > 16:
                self._blocks.popitem(last=False)
        return self._blocks[block]

    def make(self, start: int, end: int) -> Trades:
        """Return all trades of the blocks, in the order of their ids."""
        counts, ids, aggregates = self._columns(start, end)
        number = int(counts.sum())
        trades = np.empty(number, dtype=TRADES)
        if not number:
            return trades
        before = _before(counts)
        row = np.repeat(np.arange(end - start), counts)
        position = np.arange(number) - before[row]
        drawn = bits(self._key("trade"), (row + start) * _MAX_BLOCK + position)
        begins = ~self._continues(row + start, position, counts[row])
        walk = np.cumsum(begins) - 1
        new = begins & ((position == 0) | (take(drawn, 0, 8) >= 115))
        order = np.cumsum(new) - 1
        firsts = np.flatnonzero(new)
        time, price, step, bought = self._orders(start, end, firsts, row, drawn)
        depth = walk - walk[firsts][order]
        trades["id"] = ids[row] + position
        trades["time"] = time[order]
        trades["price"] = np.maximum(1, price[order] + depth * step[order])
        trades["size"] = self._sizes[take(drawn, 52, 12)]
        trades["aggregate"] = aggregates[0] + walk
        trades["bought"] = bought[order]
        return trades

    def _columns(self, start: int, end: int) -> tuple[Ints, Ints, Ints]:
        parts = []
        for index in range(start // CHAPTER, (end - 1) // CHAPTER + 1):
            chapter = self._chapter(index)
            begin = index * CHAPTER
            rows = slice(max(start, begin) - begin, min(end, begin + CHAPTER) - begin)
            parts.append((chapter.counts[rows], chapter.ids[rows], chapter.aggregates[rows]))
        counts, ids, aggregates = (np.concatenate(column) for column in zip(*parts, strict=True))
        return counts, ids, aggregates

    def _continues(self, block: Ints, position: Ints, count: Ints) -> NDArray[np.bool_]:
        """Return which trades are of the same aggregate as the trade before."""
        group = position // 5
        size = np.minimum(5, count - group * 5)
        choice = take(bits(self._key("group"), block * _MAX_BLOCK + group), 20, 12) % 6
        continues: NDArray[np.bool_] = _PATTERNS[size, choice, position - group * 5]
        return continues

    def _orders(
        self, start: int, end: int, firsts: Ints, row: Ints, drawn: NDArray[np.uint64]
    ) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
        """Return each order's time, price, step per level of the book, and whether it bought."""
        of_block, random = row[firsts], drawn[firsts]
        weights = self._gaps[take(random, 8, 12)]
        running = np.cumsum(weights)
        head = np.flatnonzero(np.diff(of_block, prepend=-1))
        after = self._gaps[take(bits(self._key("after"), of_block[head] + start), 8, 12)]
        whole = np.add.reduceat(weights, head) + after
        per_block = np.diff(head, append=len(firsts))
        elapsed = running - np.repeat(running[head] - weights[head], per_block)
        offset = elapsed * BLOCK // np.repeat(whole, per_block)
        level = self.level(start, end + 1)
        low, rise = level[:-1][of_block], np.diff(level)[of_block]
        middle = np.floor(low + rise * (offset * 1e-6)).astype(np.int64)
        bought = take(random, 20, 16) < np.where(rise > 0, 36000, 29500)
        spread = int(self._ticks * 6e-6)
        jitter = (take(random, 36, 8) - 128) * spread // 256
        side = np.where(bought, 1, -1)
        step = side * (1 + take(random, 44, 2))
        return (of_block + start) * BLOCK + offset, middle + bought + jitter, step, bought

    def level(self, start: int, end: int) -> Floats:
        """Return the price level in ticks at the start of each of the blocks."""
        blocks = np.arange(start, end, dtype=np.int64)
        drift = np.zeros(len(blocks))
        for period in _OCTAVES:
            height = 0.025 * (period / 86400) ** 0.5
            drift += value_noise(self._key(f"price{period}"), blocks, period) * height
        return self._ticks * (1.0 + drift)

    def _key(self, purpose: str) -> np.uint64:
        return make_key(self._seed, self._name, purpose)


def aggregates_in(counts: Ints) -> Ints:
    """Return how many aggregates that many trades of one block form."""
    return counts - 2 * (counts // 5) - counts % 5 // 2


def _before(counts: Ints) -> Ints:
    return np.cumsum(counts) - counts


def _patterns() -> NDArray[np.bool_]:
    """Return [size of a group, choice, position] -> whether the trade continues an aggregate."""
    table = np.zeros((6, 6, 5), dtype=np.bool_)
    chosen: dict[int, list[tuple[int, ...]]] = {
        2: [(1,)],
        3: [(1,), (2,)],
        4: [(1, 2), (1, 3), (2, 3)],
        5: [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)],
    }
    for size, places in chosen.items():
        for choice in range(6):
            table[size, choice, list(places[choice % len(places)])] = True
    return table


_PATTERNS: Final = _patterns()
