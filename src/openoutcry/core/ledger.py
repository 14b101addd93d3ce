"""The ledger of one instrument's trade ids: which are stored, which are missing, which never were.

Everything stored is a set of islands of consecutive ids; what an island lacks is listed by its gaps.
So whether a trade is new is decided here, by arithmetic on a few ranges, without asking the trades
table and without a unique index on it. Pure: `absorb` and the marks change the ledger in memory; the
recorder writes what `take_change` gives in the same transaction as the trades, and reads the ledger
back from the store after a failed one.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.ranges import Range, Ranges, contains, from_ids, intersect, subtract, union
from openoutcry.model import GapState

Ints = NDArray[np.int64]


class Gap(Struct):
    """A jump in the ids. `missing`: not stored, not explained. `absent`: the venue has none either.

    `key` is the store's id, None until it has one. Times (µs) are those of the trades around it.
    """

    from_id: int
    to_id: int
    missing: Ranges
    from_time: int
    to_time: int
    absent: Ranges = ()
    key: int | None = None
    changed: bool = True

    @property
    def state(self) -> GapState:
        """Suspected while ids are unexplained; then absent if the venue lacks some, else filled."""
        if self.missing:
            return GapState.SUSPECTED
        return GapState.ABSENT if self.absent else GapState.FILLED


class Island(Struct):
    """Ids `from_id`..`to_id` (but for gaps) and the venue times (µs) of the first and the last.

    A trade just before it may bear the first one's time: only what is later than that is whole.
    """

    from_id: int
    to_id: int
    from_time: int
    to_time: int


class GapChange(Struct, frozen=True):
    """A gap as it stands after a batch; `gap.key` is filled in by whoever inserts it."""

    gap: Gap
    missing: Ranges
    absent: Ranges
    state: GapState


class LedgerChange(Struct, frozen=True):
    """What a batch changed in one ledger, fixed at that moment; None where nothing did."""

    instrument: int
    live: Island | None
    heard_until: int
    hole_since: int | None
    islands: tuple[Island, ...] | None
    klines: tuple[Span, ...] | None
    gaps: tuple[GapChange, ...]
    coverage: Coverage


class Ledger(Struct):
    """What is known of one instrument's ids.

    `live` is the newest island, the one that the feed extends; its `to_id` is the watermark.
    `islands` are older ones (imports) that do not touch it. `heard_until`: up to this venue time
    nothing can be missing unseen. `hole_since`: the feed was deaf from `heard_until` to then, and
    neither a consecutive trade nor a check with the venue has shown that nothing happened.
    """

    instrument: int
    live: Island | None = None
    islands: list[Island] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    klines: list[Span] = field(default_factory=list)
    heard_until: int = 0
    hole_since: int | None = None
    moved: bool = False
    islands_changed: bool = False
    klines_changed: bool = False

    def absorb(self, ids: Ints, times: Ints) -> NDArray[np.bool_]:
        """Take trades in (ids ascending, each once) and return which of them were not stored yet."""
        if not len(ids):
            return np.empty(0, bool)
        if self.live is None:
            self.live = Island(int(ids[0]), int(ids[0]) - 1, int(times[0]), int(times[0]))
        fresh = ids > self.live.to_id
        start = int(np.argmax(fresh)) if fresh.any() else len(ids)
        if start:
            fresh[:start] = self._absorb_late(ids[:start], times[:start])
        if start < len(ids):
            self._extend(ids[start:], times[start:])
        return fresh

    def heard(self, since: int, until: int, newest_id: int, newest_time: int = 0) -> None:
        """The feed listened without a break from venue time `since` to `until` (µs).

        `newest_id` is the newest id that it passed on in that time (-1: none), of `newest_time` (µs).
        If that is not stored, it was lost on the way (a bus that crashed, a full stream), which is
        a gap like any other.
        """
        if self.live is None:
            return
        if newest_id > self.live.to_id:
            self.head(newest_id, max(until, self.heard_until), newest_time)
        if until <= self.heard_until:
            return
        self.moved = True
        if since <= self.heard_until:
            self.heard_until = until
            self.hole_since = None
        else:
            self.hole_since = since

    def verified(
        self, from_id: int, to_id: int, times: tuple[int, int] | None, since: int | None = None
    ) -> None:
        """The venue has no other trades in these ids than those already absorbed.

        What is still missing in them is absent for good. Ids that lie before the live island become
        an island of their own; `times` (µs) are those of the range's first and last trade, None if
        it has none. With `since` (µs) there is nothing between that time and the range's first trade.
        """
        span: Range = (from_id, to_id)
        for gap in self.gaps:
            gone = intersect(gap.missing, (span,))
            if gone:
                gap.missing = subtract(gap.missing, gone)
                gap.absent = union(gap.absent, gone)
                gap.changed = True
        if times is not None and self.live is not None and from_id < self.live.from_id:
            last = min(to_id, self.live.from_id - 1)
            known = tuple((island.from_id, island.to_id) for island in self.islands)
            never = subtract(((from_id, last),), known)
            if never:
                # Should one of them turn up after all, it has to count as new.
                self.gaps.append(Gap(never[0][0], never[-1][1], (), *times, absent=never))
            self._add_island(Island(from_id, last, *times))
        if since is not None:
            self._whole_since(from_id, since)

    def head(self, newest_id: int, as_of: int, newest_time: int = 0) -> None:
        """The venue's newest trade was `newest_id` (-1: none yet), of `newest_time`, after `as_of`.

        Both in µs of the venue's time. What is missing up to that id may have happened as late as it.
        """
        if self.live is None or as_of < self.heard_until:
            return
        self.moved = True
        if newest_id > self.live.to_id:
            latest = max(as_of, newest_time)
            self._open_gap(self.live.to_id + 1, newest_id, self.live.to_time, latest)
            self.live.to_id = newest_id
            self.live.to_time = latest
        self.heard_until = as_of
        self.hole_since = None

    def sealed(self, base: int, start: int, end: int) -> None:
        """The venue's own candles of `base` seconds are stored for venue times start..end (µs)."""
        spans = [*self.klines, Span(base=base, start=start, end=end)]
        merged: list[Span] = []
        for span in sorted(spans, key=lambda s: (s.base, s.start)):
            last = merged[-1] if merged else None
            if last is not None and last.base == span.base and span.start <= last.end:
                merged[-1] = Span(base=span.base, start=last.start, end=max(last.end, span.end))
            else:
                merged.append(span)
        self.klines = merged
        self.klines_changed = True

    def coverage(self) -> Coverage:
        """Return the times for which nothing can be missing."""
        spans = [Span(base=0, start=i.from_time + 1, end=i.to_time) for i in self.islands]
        if self.live is not None:
            spans.append(Span(base=0, start=self.live.from_time + 1, end=self.heard_until))
        return Coverage(
            spans=(*spans, *self.klines),
            gaps=tuple((gap.from_time, gap.to_time) for gap in self.gaps if gap.missing),
        )

    def open_gaps(self) -> list[Gap]:
        """Return the gaps that are not explained yet."""
        return [gap for gap in self.gaps if gap.missing]

    def take_change(self) -> LedgerChange:
        """Return what has changed since the last call, and start afresh.

        A writer may be a batch behind: what it writes must not move under it.
        """
        gaps = [gap for gap in self.gaps if gap.changed]
        change = LedgerChange(
            instrument=self.instrument,
            live=copy(self.live) if self.moved and self.live is not None else None,
            heard_until=self.heard_until,
            hole_since=self.hole_since,
            islands=tuple(map(copy, self.islands)) if self.islands_changed else None,
            klines=tuple(self.klines) if self.klines_changed else None,
            gaps=tuple(GapChange(gap, gap.missing, gap.absent, gap.state) for gap in gaps),
            coverage=self.coverage(),
        )
        for gap in gaps:
            gap.changed = False
        self.gaps = [gap for gap in self.gaps if gap.missing or gap.absent]
        self.moved = self.islands_changed = self.klines_changed = False
        return change

    def _extend(self, ids: Ints, times: Ints) -> None:
        live = self.live
        assert live is not None  # noqa: S101 - absorb made it
        jumps = np.flatnonzero(np.diff(ids, prepend=np.int64(live.to_id)) > 1)
        for at in jumps.tolist():
            before = int(ids[at - 1]) if at else live.to_id
            before_time = int(times[at - 1]) if at else live.to_time
            self._open_gap(before + 1, int(ids[at]) - 1, before_time, int(times[at]))
        live.to_id = int(ids[-1])
        live.to_time = int(times[-1])
        newest = int(times.max())
        if newest > self.heard_until:
            self.heard_until = newest
            self.hole_since = None
        self.moved = True

    def _absorb_late(self, ids: Ints, times: Ints) -> NDArray[np.bool_]:
        assert self.live is not None  # noqa: S101 - absorb made it
        fresh = ids < self.live.from_id
        for island in self.islands:
            fresh &= (ids < island.from_id) | (ids > island.to_id)
        for low, high in from_ids(ids[fresh]):
            inside = (ids >= low) & (ids <= high)
            span = times[inside]
            self._add_island(Island(low, high, int(span.min()), int(span.max())))
        for gap in self.gaps:
            inside = (ids >= gap.from_id) & (ids <= gap.to_id)
            if not inside.any():
                continue
            found = inside & (contains(gap.missing, ids) | contains(gap.absent, ids))
            if found.any():
                taken = from_ids(ids[found])
                gap.missing = subtract(gap.missing, taken)
                gap.absent = subtract(gap.absent, taken)
                gap.changed = True
                fresh |= found
        return fresh

    def _whole_since(self, from_id: int, since: int) -> None:
        for island in (*self.islands, self.live):
            if island is not None and island.from_id == from_id and island.from_time >= since:
                island.from_time = since - 1
                self.moved = self.islands_changed = True

    def _open_gap(self, from_id: int, to_id: int, from_time: int, to_time: int) -> None:
        low, high = min(from_time, to_time), max(from_time, to_time)
        self.gaps.append(Gap(from_id, to_id, ((from_id, to_id),), low, high))

    def _add_island(self, island: Island) -> None:
        """Add an island and join the ones that now touch, the live one included."""
        live = self.live
        assert live is not None  # noqa: S101 - islands lie before a live one
        joined: list[Island] = []
        for other in sorted([*self.islands, island], key=lambda i: i.from_id):
            if joined and other.from_id <= joined[-1].to_id + 1:
                last = joined[-1]
                last.to_id = max(last.to_id, other.to_id)
                last.to_time = max(last.to_time, other.to_time)
                last.from_time = min(last.from_time, other.from_time)
            else:
                joined.append(Island(other.from_id, other.to_id, other.from_time, other.to_time))
        if joined and joined[-1].to_id >= live.from_id - 1:
            last = joined.pop()
            live.from_id = min(live.from_id, last.from_id)
            live.from_time = min(live.from_time, last.from_time)
            self.moved = True
        self.islands = joined
        self.islands_changed = True
