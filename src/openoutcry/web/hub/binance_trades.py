"""The order of one symbol's committed trades, as Binance's streams tell them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from openoutcry.core.frames import Frame
from openoutcry.core.scales import scale_of, to_scaled
from openoutcry.model import Side, Trade
from openoutcry.venues.binance_aggregates import Row

MOST_HELD: Final = 20_000
"""Trades that wait for older ones; past that the oldest go, which makes a hole to ask for."""
MOST_MISSED: Final = 10_000
"""Trades that are fetched for one hole, the newest of it."""


class Batch(Struct, frozen=True):
    """Trades of one symbol, ascending by id, at common scales."""

    price_scale: int
    size_scale: int
    rows: list[Row]


class Hole(Struct, frozen=True):
    """Ids first..last that were jumped over, and the times (µs) of the trades around them."""

    first: int
    last: int
    since: int
    until: int


class TradeLine:
    """What is told has ascending ids, each once.

    Where ids are jumped over, everything waits until the store was asked for them (`hole`, then
    `fill`): they were committed, but what said so was lost. A trade that is older than what has
    been told, because it was repaired later, is not told any more.
    """

    def __init__(self, most_held: int = MOST_HELD) -> None:
        self.hole: Hole | None = None
        self.begun = False
        self._most_held = most_held
        self._held: deque[Batch] = deque()
        self._last = -1
        self._time = 0

    @property
    def time(self) -> int:
        """Return the time (µs) of the newest trade that was told."""
        return self._time

    def begin(self, last: int, time: int) -> list[Batch]:
        """Start after the trade `last` of `time`; -1: after `time`. Return what is to be told."""
        self.begun, self._last, self._time = True, last, time
        return self._advance()

    def take(self, batch: Batch) -> list[Batch]:
        """Add committed trades; return what is to be told now."""
        self._held.append(batch)
        if not self.begun or self.hole is not None:
            held = sum(len(each.rows) for each in self._held)
            while held > self._most_held and len(self._held) > 1:
                held -= len(self._held.popleft().rows)
            return []
        return self._advance()

    def expect(self, last: int, time: int) -> None:
        """Note that the store has a trade `last` of `time`: those up to it were perhaps missed."""
        if self.begun and self.hole is None and last > self._last >= 0:
            self._dig(last, time)

    def fill(self, found: Batch | None) -> list[Batch]:
        """Close the hole with what the store has of it; return what is to be told now."""
        hole, self.hole = self.hole, None
        told = [] if hole is None or found is None else self._tell(found)
        if hole is not None:
            self._last = max(self._last, hole.last)
        return told + self._advance()

    def _advance(self) -> list[Batch]:
        told: list[Batch] = []
        while self._held:
            rows = self._new(self._held[0])
            if rows and self._last >= 0 and rows[0][0] > self._last + 1:
                self._dig(rows[0][0] - 1, rows[0][1])
                break
            told += self._tell(self._held.popleft())
        return told

    def _dig(self, last: int, until: int) -> None:
        first = max(self._last + 1, last - MOST_MISSED + 1)
        self.hole = Hole(first, last, self._time, until)

    def _tell(self, batch: Batch) -> list[Batch]:
        rows = self._new(batch)
        if not rows:
            return []
        self._last, self._time = rows[-1][0], rows[-1][1]
        return [Batch(batch.price_scale, batch.size_scale, rows)]

    def _new(self, batch: Batch) -> list[Row]:
        if self._last < 0:  # no trade is known yet: then only what is newer than the beginning
            return [row for row in batch.rows if row[1] >= self._time]
        if batch.rows and batch.rows[0][0] > self._last:
            return batch.rows
        return [row for row in batch.rows if row[0] > self._last]


def batch_of_frame(frame: Frame) -> Batch:
    """Return the trades of a frame of one instrument. Raises IndexError for one without scales."""
    scales = frame.scales[0]
    rows = [
        (trade_id, time, price, size, 0, side > 0)
        for time, _, trade_id, price, size, _, side in frame.trades.tolist()
    ]
    return Batch(int(scales["price_scale"]), int(scales["size_scale"]), rows)


def batch_of_trades(trades: Iterable[Trade]) -> Batch:
    """Return trades of the store, which come ascending."""
    known = list(trades)
    price_scale = max((scale_of(trade.price) for trade in known), default=0)
    size_scale = max((scale_of(trade.size) for trade in known), default=0)
    rows = [
        (
            trade.trade_id,
            trade.venue_time,
            to_scaled(trade.price, price_scale),
            to_scaled(trade.size, size_scale),
            0,
            trade.side is Side.BUY,
        )
        for trade in known
    ]
    return Batch(price_scale, size_scale, rows)
