"""Say of many candles at once which are complete."""

from __future__ import annotations

from collections.abc import Sequence

from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.core.rollup import is_complete


def complete_flags(interval: Interval, buckets: Sequence[int], coverage: Coverage) -> list[bool]:
    """Return `core.rollup.is_complete` of each of the ascending `buckets`.

    A stretch that is covered whole is asked about once: a thousand candles cost some ten questions.
    """
    flags = [False] * len(buckets)
    base = INTERVALS[interval.base].length
    stretches = [(0, len(buckets))]
    while stretches:
        low, high = stretches.pop()
        if high - low == 1:
            flags[low] = is_complete(interval, buckets[low], coverage)
        elif low < high:
            if coverage.covers(buckets[low], interval.next(buckets[high - 1]), base):
                flags[low:high] = [True] * (high - low)
            else:
                middle = (low + high) // 2
                stretches += [(low, middle), (middle, high)]
    return flags
