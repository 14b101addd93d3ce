"""Folding made-up trades, directly and through pages."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.core.intervals import INTERVALS, MINUTE, SECOND
from openoutcry.sandbox.candles import Pages, bucket_starts, fold, minutes, wide_sums
from openoutcry.sandbox.tape import BLOCK
from sandbox.support import LENGTH, LISTED, make_tape, plain_fold


def test_fold_agrees_with_a_plain_loop() -> None:
    """The vectorised fold gives what a loop over the trades gives."""
    trades = make_tape().make(LISTED, LISTED + LENGTH)
    for length in (SECOND, MINUTE, 60 * MINUTE):
        assert fold(trades, length).tolist() == plain_fold(trades, length)


@settings(max_examples=25, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, LENGTH // 60 - 1), st.integers(1, 40)), min_size=1, max_size=4
    )
)
def test_pages_give_the_fold_whatever_was_asked_before(asked: list[tuple[int, int]]) -> None:
    """Rows from pages equal the fold of the trades, in any order of asking."""
    tape = make_tape()
    pages = Pages(tape, MINUTE, 25, keep=2)
    start = LISTED // 60 * 60 + 60
    for first, number in asked:
        low = start + first * 60
        high = min(low + number * 60, start + LENGTH // 60 * 60)
        found = [piece for piece in pages.rows(low * BLOCK, high * BLOCK) if piece is not None]
        expected = fold(tape.make(low, high), MINUTE)
        assert np.concatenate(found).tolist() == expected.tolist()


def test_pages_pause_while_they_work() -> None:
    """A long range is made in pieces, so that nobody waits for all of it."""
    pages = minutes(make_tape())
    low, high = LISTED // 86400 * 86400, LISTED // 86400 * 86400 + 2 * 86400
    assert None in list(pages.rows(low * BLOCK, high * BLOCK))


@given(
    values=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=30),
    cuts=st.sets(st.integers(1, 29)),
)
def test_wide_sums_never_wrap(values: list[int], cuts: set[int]) -> None:
    """Sums of runs are exact where 64 bits are too few."""
    starts = np.array([0, *sorted(cut for cut in cuts if cut < len(values))])
    ends = [*starts[1:].tolist(), len(values)]
    expected = [sum(values[low:high]) for low, high in zip(starts, ends, strict=True)]
    assert wide_sums(np.array(values, dtype=np.int64), starts) == expected


@given(
    time=st.integers(LISTED * BLOCK, (LISTED + 10**8) * BLOCK),
    name=st.sampled_from(sorted(INTERVALS)),
)
def test_buckets_start_where_the_interval_says(time: int, name: str) -> None:
    """Bucket starts of columns are those of single times, for weeks and months too."""
    interval = INTERVALS[name]
    assert bucket_starts(np.array([time]), interval).tolist() == [interval.floor(time)]
