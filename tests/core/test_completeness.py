"""Completeness of many candles at once agrees with asking one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.completeness import complete_flags
from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.intervals import INTERVALS, MINUTE, SECOND
from openoutcry.core.rollup import is_complete

START = 1_767_225_600 * SECOND

# Half minutes hit bucket edges often, odd ones lie inside.
TIMES = st.integers(0, 60 * 24 * 90).map(lambda n: START + n * MINUTE // 2)
NEAR = st.integers(-2, 40).map(lambda n: START + n * MINUTE // 2)
PAIRS = st.tuples(TIMES | NEAR, TIMES | NEAR).map(lambda pair: (min(pair), max(pair)))
COVERAGES = st.builds(
    lambda spans, gaps: Coverage(
        spans=tuple(Span(base, *pair) for base, pair in spans), gaps=tuple(gaps)
    ),
    st.lists(st.tuples(st.sampled_from([0, 60, 3600]), PAIRS), max_size=5),
    st.lists(PAIRS, max_size=3),
)


@given(
    name=st.sampled_from(["1s", "30s", "1m", "3m", "1h", "4h", "1d", "1w", "1M"]),
    steps=st.lists(st.integers(0, 60), max_size=30, unique=True),
    coverage=COVERAGES,
)
def test_same_as_one_by_one(name: str, steps: list[int], coverage: Coverage) -> None:
    """For any spans, gaps and buckets the flags are `is_complete` of each."""
    interval = INTERVALS[name]
    first = interval.floor(START)
    buckets = sorted({interval.back(first, -step) for step in steps})
    expected = [is_complete(interval, bucket, coverage) for bucket in buckets]
    assert complete_flags(interval, buckets, coverage) == expected
