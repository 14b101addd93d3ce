"""How far knowledge reaches, since when it differs, and which buckets are known to be quiet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.coverage import Coverage, Span, changed_since
from openoutcry.core.fill import quiet_buckets
from openoutcry.core.intervals import INTERVALS, MINUTE, SECOND

spans = st.builds(
    lambda base, start, length: Span(base, start, start + length),
    st.sampled_from([0, 60, 300]),
    st.integers(0, 60),
    st.integers(0, 40),
)
gaps = st.tuples(st.integers(0, 90), st.integers(0, 9)).map(lambda one: (one[0], sum(one)))
coverages = st.builds(
    lambda some, holes: Coverage(tuple(some), tuple(holes)),
    st.lists(spans, max_size=4),
    st.lists(gaps, max_size=2),
)


@given(coverage=coverages, start=st.integers(0, 99), base=st.sampled_from([1, 60, 300]))
def test_reach_is_as_far_as_covers_says(coverage: Coverage, start: int, base: int) -> None:
    """Everything up to it is covered, and nothing beyond."""
    length = base * SECOND
    reached = coverage.reach(start, length)
    assert reached >= start
    for end in range(start + 1, 120):
        assert coverage.covers(start, end, length) == (end <= reached)


@given(old=coverages, new=coverages)
def test_before_the_change_both_know_the_same(old: Coverage, new: Coverage) -> None:
    """What ends before the time that is told is covered by both or by neither."""
    since = changed_since(old, new)
    for start in range(0, 100, 7):
        for end in range(start + 1, 100 if since is None else since):
            assert old.covers(start, end, 60 * SECOND) == new.covers(start, end, 60 * SECOND)


@given(one=coverages)
def test_the_same_has_not_changed(one: Coverage) -> None:
    """Also in another order."""
    assert changed_since(one, Coverage(one.spans[::-1], one.gaps[::-1])) is None or len(
        {(span.base, span.start) for span in one.spans}
    ) < len(one.spans)


@given(
    traded=st.sets(st.integers(0, 19)),
    known=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8)), max_size=3),
    holes=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), max_size=2),
    before=st.none() | st.integers(-3, -1),
)
def test_quiet_buckets_are_those_known_since_a_trade(
    traded: set[int],
    known: list[tuple[int, int]],
    holes: list[tuple[int, int]],
    before: int | None,
) -> None:
    """A bucket is quiet if all from the last traded one's end to its own end is known; no other."""
    minute = INTERVALS["1m"]
    coverage = Coverage(
        tuple(Span(0, at * MINUTE - 1, (at + length) * MINUTE) for at, length in known),
        tuple((at * MINUTE, (at + length) * MINUTE) for at, length in holes),
    )
    ordered = sorted(traded)
    found = quiet_buckets(
        [at * MINUTE for at in ordered],
        minute,
        start=0,
        end=20 * MINUTE,
        before=None if before is None else before * MINUTE,
        coverage=coverage,
    )
    expected = []
    for bucket in range(20):
        earlier = [at for at in ordered if at < bucket]
        last = earlier[-1] if earlier else before
        if bucket in traded or last is None:
            continue
        if coverage.covers((last + 1) * MINUTE - 1, (bucket + 1) * MINUTE, MINUTE):
            expected.append((bucket * MINUTE, len(earlier) - 1))
    assert found == expected
