"""Sets of integers as ascending, disjoint, inclusive ranges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Range = tuple[int, int]
Ranges = tuple[Range, ...]


def union(left: Ranges, right: Ranges) -> Ranges:
    """Return the ids in either; ranges that touch are joined."""
    merged: list[Range] = []
    for low, high in sorted((*left, *right)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def subtract(left: Ranges, right: Ranges) -> Ranges:
    """Return the ids of `left` that are not in `right`."""
    rest: list[Range] = []
    for range_low, range_high in left:
        low = range_low
        for cut_low, cut_high in right:
            if cut_high < low or cut_low > range_high:
                continue
            if cut_low > low:
                rest.append((low, cut_low - 1))
            low = cut_high + 1
        if low <= range_high:
            rest.append((low, range_high))
    return tuple(rest)


def intersect(left: Ranges, right: Ranges) -> Ranges:
    """Return the ids in both."""
    return tuple(
        (max(a_low, b_low), min(a_high, b_high))
        for a_low, a_high in left
        for b_low, b_high in right
        if a_low <= b_high and b_low <= a_high
    )


def count(ranges: Ranges) -> int:
    """Return how many ids there are."""
    return sum(high - low + 1 for low, high in ranges)


def contains(ranges: Ranges, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each id whether it is in `ranges`."""
    if not ranges:
        return np.zeros(len(ids), bool)
    bounds = np.array(ranges, np.int64)
    at = np.searchsorted(bounds[:, 0], ids, side="right") - 1
    inside: NDArray[np.bool_] = (at >= 0) & (ids <= bounds[np.maximum(at, 0), 1])
    return inside


def from_ids(ids: NDArray[np.int64]) -> Ranges:
    """Return ascending, distinct ids as ranges."""
    if not len(ids):
        return ()
    breaks = np.flatnonzero(np.diff(ids) > 1)
    starts = ids[np.concatenate(([0], breaks + 1))]
    ends = ids[np.concatenate((breaks, [len(ids) - 1]))]
    return tuple(zip(starts.tolist(), ends.tolist(), strict=True))
