"""Ranges of ids against Python's sets."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.ranges import (
    Ranges,
    contains,
    count,
    from_ids,
    intersect,
    subtract,
    union,
)

ids = st.sets(st.integers(-5, 40))


def ranges(of: set[int]) -> Ranges:
    """Return a set as ranges."""
    return from_ids(np.array(sorted(of), np.int64))


def members(of: Ranges) -> set[int]:
    """Return the ids in ranges, having checked that they are ascending, disjoint and joined."""
    for (_, high), (low, _) in itertools.pairwise(of):
        assert low > high + 1
    assert all(low <= high for low, high in of)
    return {one for low, high in of for one in range(low, high + 1)}


@given(ids, ids)
def test_operations_are_those_of_sets(left: set[int], right: set[int]) -> None:
    """Union, difference and intersection have the members that sets have, in normal form."""
    a, b = ranges(left), ranges(right)
    assert members(a) == left
    assert members(union(a, b)) == left | right
    assert members(subtract(a, b)) == left - right
    assert members(intersect(a, b)) == left & right
    assert count(a) == len(left)


@given(ids, st.lists(st.integers(-8, 45)))
def test_contains_is_membership(held: set[int], asked: list[int]) -> None:
    """Each id is looked up on its own, in any order and with repeats."""
    found = contains(ranges(held), np.array(asked, np.int64))
    assert found.tolist() == [one in held for one in asked]
