"""Say of many candles at once which are complete."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, SECOND, Interval


def complete_flags(interval: Interval, buckets: Sequence[int], coverage: Coverage) -> list[bool]:
    """Return `core.rollup.is_complete` of each of the ascending `buckets`.

    The work is in the number of spans and gaps, not of candles: asking one by one took 1.5 ms for a
    thousand of them.
    """
    flags = [False] * len(buckets)
    for start, end in _stretches(coverage, INTERVALS[interval.base].length):
        low = bisect_left(buckets, start)
        high = bisect_right(buckets, end, key=interval.next)
        if low < high:
            flags[low:high] = [True] * (high - low)
    for start, end in coverage.gaps:
        low = bisect_right(buckets, start, key=interval.next)
        high = bisect_right(buckets, end)
        if low < high:
            flags[low:high] = [False] * (high - low)
    return flags


def _stretches(coverage: Coverage, base: int) -> list[tuple[int, int]]:
    """Return the spans that rows of `base` µs can rest on, joined where they touch."""
    joined: list[tuple[int, int]] = []
    usable = (span for span in coverage.spans if span.base * SECOND <= base)
    for span in sorted(usable, key=lambda span: span.start):
        if joined and span.start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], span.end))
        else:
            joined.append((span.start, span.end))
    return joined
