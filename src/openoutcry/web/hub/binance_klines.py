"""The states of one symbol's candles, from what the hub's view of them tells. Pure.

Binance's candles have no holes: a bucket without a trade is flat. Here it is flat only where it is
known that nothing was missed; a bucket of which that is not known is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, SECOND, Interval
from openoutcry.core.rollup import is_complete, merge
from openoutcry.model import Candle
from openoutcry.venues.binance_server_data import Bar
from openoutcry.venues.binance_stream_events import MOST_CLOSED, BarState
from openoutcry.web.hub.candles import GRACE
from openoutcry.web.hub.wire import LiveCandle

PATIENCE: Final = 3 * SECOND
"""How long after its end a candle that lacks something waits for the repair before it is over."""
_SURE: Final = 50
"""Stored buckets, up to the newest, of which every change is announced (see the announcer)."""


class Doubt(Struct, frozen=True):
    """Buckets start..end (µs, end exclusive) that must be read from the store to go on."""

    start: int
    end: int


class KlineSource:
    """Gathers a symbol's candles of one interval until they are told to be over."""

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self.doubt: Doubt | None = None
        self._base = INTERVALS[interval.base].length
        self._known: dict[int, LiveCandle] = {}
        self._sure = 0
        self._over: tuple[int, Decimal] | None = None  # end and close of the newest that is over

    def take(self, candles: Iterable[LiveCandle]) -> None:
        """Note candles as they now are; the newest MOST_CLOSED are kept."""
        for live in candles:
            self._known[live.candle.bucket] = live
        for bucket in sorted(self._known)[: -MOST_CLOSED - 1]:
            del self._known[bucket]

    def mend(self, rows: Iterable[Candle], coverage: Coverage, now: int) -> None:
        """Take in what the store has of the doubted buckets: all their base rows."""
        doubt, self.doubt = self.doubt, None
        for live in roll(self.interval, rows, coverage, now):
            known = self._known.get(live.candle.bucket)
            if known is None or known.candle.trades < live.candle.trades:
                self.take([live])
        if doubt is not None:
            self._sure = max(self._sure, doubt.end)

    def distrust(self, start: int, end: int) -> None:
        """Ask the store for the buckets in start..end: messages may have been missed."""
        self._sure = 0
        self.doubt = Doubt(start, end)

    def states(self, start: int | None, coverage: Coverage, now: int) -> list[BarState]:
        """Return the candles from the bucket `start` on, oldest first; None: what there is.

        After one that is not over none follows. Sets `doubt` where the store must be asked first.
        """
        if start is None:
            return [self._state(self._known[at], coverage, now) for at in sorted(self._known)]
        for bucket in sorted(bucket for bucket in self._known if bucket < start):
            self._end(self.interval.next(bucket), self._known.pop(bucket).candle.close)
        result: list[BarState] = []
        newest = max(self._known, default=start)
        while self.doubt is None and len(result) <= MOST_CLOSED:
            end = self.interval.next(start)
            if live := self._known.get(start):
                state = self._state(live, coverage, now)
                result.append(state)
                if not state[1]:
                    break
                self._end(end, live.candle.close)
            else:
                covered = coverage.covers(start, end, self._base)
                if start > newest and not covered:
                    break
                following = min((bucket for bucket in self._known if bucket > start), default=end)
                if not self._is_sure(start, newest):
                    self.doubt = Doubt(start, following)
                    break
                if not covered:
                    end = following
                elif self._over is not None and self._over[0] == start:
                    result.append((_flat(start, end, self._over[1]), True))
                    self._over = (end, self._over[1])
            start = end
        return result

    def _end(self, end: int, close: Decimal) -> None:
        if self._over is None or self._over[0] < end:
            self._over = (end, close)

    def _is_sure(self, bucket: int, newest: int) -> bool:
        if bucket < self._sure:
            return True
        return self.interval.stored and newest - bucket <= _SURE * self.interval.length

    def _state(self, live: LiveCandle, coverage: Coverage, now: int) -> BarState:
        bar = to_bar(self.interval, live.candle)
        # The clock alone ends nothing: it runs on while commits are late, or the feed is cut off.
        committed = coverage.last(self._base) >= bar.end
        if bar.start == max(self._known) and not (live.closed and committed):
            return bar, False
        complete = live.complete or is_complete(self.interval, bar.start, coverage)
        return bar, complete or now >= bar.end + PATIENCE


def roll(
    interval: Interval, rows: Iterable[Candle], coverage: Coverage, now: int
) -> list[LiveCandle]:
    """Return the candles of base rows, oldest first."""
    buckets: dict[int, list[Candle]] = {}
    for row in rows:
        buckets.setdefault(interval.floor(row.bucket), []).append(row)
    newest = max(buckets, default=0)
    last = coverage.last(INTERVALS[interval.base].length)
    found = []
    for bucket, group in sorted(buckets.items()):
        end = interval.next(bucket)
        closed = bucket < newest or last >= end or now > end + GRACE
        group.sort(key=lambda row: row.bucket)
        complete = is_complete(interval, bucket, coverage)
        found.append(LiveCandle(merge(bucket, group), closed, complete))
    return found


def to_bar(interval: Interval, candle: Candle) -> Bar:
    """Return a candle as Binance's streams know it."""
    return Bar(
        start=candle.bucket,
        end=interval.next(candle.bucket),
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        quote_volume=candle.quote_volume,
        trades=candle.trades,
        bought_volume=candle.taker_buy_volume,
        bought_quote_volume=candle.taker_buy_quote_volume,
        first_id=candle.first_id,
        last_id=candle.last_id,
    )


def _flat(start: int, end: int, price: Decimal) -> Bar:
    zero = Decimal(0)
    return Bar(start, end, price, price, price, price, zero, zero, 0, zero, zero, -1, -1)
