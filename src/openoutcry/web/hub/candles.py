"""Live candles of one interval: committed base rows in, the candles that changed out. Pure.

A view knows a bucket's candle only when it has all of the bucket's base rows. It has them for every
bucket since its snapshot; for an older bucket it asks for a repair: that bucket's rows, read again.
Rows may come in any order and repeatedly (of one base bucket the row with more trades is newer), so
that a snapshot and the changes that arrived while it was read merge into the same candles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, SECOND, Interval
from openoutcry.core.rollup import is_complete, merge
from openoutcry.model import Candle
from openoutcry.web.hub.wire import LiveCandle

GRACE: Final = 2 * SECOND
"""How long after its end, by the clock, a bucket that heard nothing more counts as over."""

MAX_REPAIRS: Final = 64


class CandleView:
    """The previous and the current candle of one symbol and interval. Times in µs."""

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self.loaded = False
        self._base = INTERVALS[interval.base].length
        self._known_from = 0
        self._known: set[int] = set()
        self._rows: dict[int, dict[int, Candle]] = {}
        self._coverage = Coverage()
        self._told: dict[int, LiveCandle] = {}
        self._repairs: dict[int, None] = {}

    @property
    def coverage(self) -> Coverage:
        """What was last told of the times in which nothing is missing."""
        return self._coverage

    def start(self, at: int) -> int:
        """Return where a snapshot that shall hold the buckets at and before `at` must start."""
        return self.interval.back(self.interval.floor(at), 1)

    def load(
        self, rows: Iterable[Candle], coverage: Coverage, start: int, now: int
    ) -> list[LiveCandle]:
        """Merge a snapshot of everything since `start`; return what changed, oldest first."""
        self.loaded = True
        self._known_from = start
        self._repairs.clear()
        self._take(rows)
        self._heed(coverage)
        return self.tick(now)

    def apply(self, rows: Iterable[Candle], coverage: Coverage, now: int) -> list[LiveCandle]:
        """Merge changed base rows; return the candles that changed, oldest first.

        Before the first `load` nothing is told. See `repairs` for what could not be told.
        """
        touched = self._take(rows)
        self._heed(coverage)
        if not self.loaded:
            return []
        told = []
        for bucket in sorted(touched):
            if bucket in self._rows and self._is_known(bucket):
                continue  # `tick` tells it
            if self.interval.stored:
                told.append(self._live(bucket, touched[bucket], now))
            elif len(self._repairs) < MAX_REPAIRS:
                self._repairs[bucket] = None
        return told + self.tick(now)

    def tick(self, now: int) -> list[LiveCandle]:
        """Return the kept candles that are not as they were last told, oldest first."""
        changed = []
        for live in self.recent(now):
            if self._told.get(live.candle.bucket) != live:
                self._told[live.candle.bucket] = live
                changed.append(live)
        return changed

    def recent(self, now: int) -> list[LiveCandle]:
        """Return the previous and the current candle, as far as there are any, newest last."""
        return [
            self._live(bucket, rows.values(), now)
            for bucket, rows in sorted(self._rows.items())
            if self._is_known(bucket)
        ]

    def repairs(self) -> list[int]:
        """Return the buckets whose base rows are to be read again, and forget them."""
        wanted = list(self._repairs)
        self._repairs.clear()
        return wanted

    def repair(
        self, bucket: int, rows: Sequence[Candle], coverage: Coverage, now: int
    ) -> list[LiveCandle]:
        """Take in all base rows of one old bucket; return its candle and what else changed."""
        self._heed(coverage)
        if not rows:
            return []
        self._take(rows)
        if bucket in self._rows:
            self._known.add(bucket)
            return self.tick(now)
        return [self._live(bucket, rows, now)]

    def _take(self, rows: Iterable[Candle]) -> dict[int, list[Candle]]:
        """Merge rows into their buckets, keep the newest two; return the rows by bucket."""
        touched: dict[int, list[Candle]] = {}
        for row in rows:
            bucket = self.interval.floor(row.bucket)
            touched.setdefault(bucket, []).append(row)
            kept = self._rows.setdefault(bucket, {})
            before = kept.get(row.bucket)
            if before is None or row.trades > before.trades:
                kept[row.bucket] = row
        if self._rows:
            oldest = self.interval.back(max(self._rows), 1)
            for bucket in [bucket for bucket in self._rows if bucket < oldest]:
                del self._rows[bucket]
                self._told.pop(bucket, None)
                self._known.discard(bucket)
        return touched

    def _heed(self, coverage: Coverage) -> None:
        if coverage.last(self._base) >= self._coverage.last(self._base):
            self._coverage = coverage

    def _is_known(self, bucket: int) -> bool:
        return bucket >= self._known_from or bucket in self._known or self.interval.stored

    def _live(self, bucket: int, rows: Iterable[Candle], now: int) -> LiveCandle:
        end = self.interval.next(bucket)
        closed = (
            self._coverage.last(self._base) >= end
            or max(self._rows, default=bucket) > bucket
            or now > end + GRACE
        )
        candle = merge(bucket, sorted(rows, key=_bucket))
        return LiveCandle(candle, closed, is_complete(self.interval, bucket, self._coverage))


def _bucket(row: Candle) -> int:
    return row.bucket
