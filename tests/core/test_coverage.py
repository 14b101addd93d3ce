"""Coverage against a model that looks at every microsecond."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.completeness import complete_flags
from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.intervals import INTERVALS, MINUTE, SECOND
from openoutcry.core.rollup import is_complete

bounds = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda b: (min(b), max(b)))
spans = st.lists(
    st.builds(lambda base, b: Span(base=base, start=b[0], end=b[1]), st.sampled_from([0, 60]), bounds),
    max_size=5,
)  # fmt: skip


@given(spans, st.lists(bounds, max_size=3), bounds, st.sampled_from([SECOND, MINUTE]))
def test_covered_means_every_moment_is(
    spans: list[Span], gaps: list[tuple[int, int]], asked: tuple[int, int], base: int
) -> None:
    """A stretch is covered if every moment is in a usable span and none is in a gap."""
    start, end = asked[0], asked[1] + 1
    usable = [span for span in spans if span.base * SECOND <= base]
    known = all(any(s.start <= t < s.end for s in usable) for t in range(start, end))
    clear = not any(low <= t <= high for low, high in gaps for t in range(start, end))
    coverage = Coverage(spans=tuple(spans), gaps=tuple(gaps))
    assert coverage.covers(start, end, base) == (known and clear)
    assert coverage.last(base) == max((span.end for span in usable), default=0)


def test_minute_klines_say_nothing_of_seconds() -> None:
    """Imported one-minute candles make minutes complete, not the seconds in them."""
    coverage = Coverage(spans=(Span(base=60, start=0, end=10 * MINUTE),))
    assert is_complete(INTERVALS["1m"], 0, coverage)
    assert is_complete(INTERVALS["5m"], 5 * MINUTE, coverage)
    assert not is_complete(INTERVALS["1s"], 0, coverage)
    assert not is_complete(INTERVALS["15m"], 0, coverage)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=4), st.data())
def test_many_at_once_are_as_one_by_one(
    stretches: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Asking about many candles gives what asking about each gives."""
    covered = tuple(
        Span(base=0, start=low * MINUTE, end=(low + length) * MINUTE) for low, length in stretches
    )
    gap = data.draw(st.integers(0, 25)) * MINUTE
    coverage = Coverage(spans=covered, gaps=((gap, gap),))
    interval = INTERVALS["1m"]
    buckets = [n * MINUTE for n in sorted(data.draw(st.sets(st.integers(0, 25))))]
    flags = [is_complete(interval, bucket, coverage) for bucket in buckets]
    assert complete_flags(interval, buckets, coverage) == flags
