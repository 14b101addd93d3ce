"""Live candles: snapshots and changes merge into what the store would say."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.intervals import INTERVALS, MINUTE, SECOND
from openoutcry.core.rollup import merge
from openoutcry.model import Candle
from openoutcry.web.hub.candles import GRACE, CandleView

THREE = INTERVALS["3m"]
START = 1_767_225_600_000_000
NOTHING = Coverage()


def _row(minute: int, trades: int, close: str = "1") -> Candle:
    volume = Decimal(trades)
    return Candle(
        START + minute * MINUTE, Decimal(2), Decimal(3), Decimal(1), Decimal(close),
        volume, volume, trades, volume, volume,
    )  # fmt: skip


def _until(minute: int) -> Coverage:
    return Coverage((Span(0, START, START + minute * MINUTE),))


def _view(
    name: str = "3m", rows: Iterable[Candle] = (), coverage: Coverage = NOTHING, now: int = START
) -> CandleView:
    view = CandleView(INTERVALS[name])
    view.load(rows, coverage, START, now)
    return view


def test_before_the_snapshot_nothing_is_told() -> None:
    """Rows that arrive while the snapshot is read are kept and told with it."""
    view = CandleView(THREE)
    assert view.apply([_row(1, 5)], NOTHING, START) == []
    (live,) = view.load([_row(0, 2), _row(1, 4)], NOTHING, START, START)
    assert live.candle.trades == 7
    assert (live.closed, live.complete) == (False, False)


def test_a_newer_bucket_closes_the_older_one() -> None:
    """The older candle is told as closed before the newer one, and only if it changed."""
    view = _view(rows=[_row(0, 1)])
    told = view.apply([_row(3, 1)], NOTHING, START)
    assert [(t.candle.bucket, t.closed) for t in told] == [
        (START, True),
        (START + 3 * MINUTE, False),
    ]
    assert view.apply([_row(3, 1)], NOTHING, START) == []


def test_coverage_closes_and_completes() -> None:
    """A bucket that is covered to its end is closed and complete without another trade."""
    view = _view(rows=[_row(0, 1)])
    assert view.apply([], _until(2), START) == []
    (told,) = view.apply([], _until(3), START)
    assert (told.closed, told.complete) == (True, True)
    assert view.apply([], _until(1), START) == [], "older coverage is not heeded"


def test_the_clock_closes() -> None:
    """A bucket is over two seconds after its end by the clock, and not yet complete."""
    view = _view(rows=[_row(0, 1)])
    end = START + 3 * MINUTE
    assert view.tick(end + GRACE) == []
    (told,) = view.tick(end + GRACE + 1)
    assert (told.closed, told.complete) == (True, False)
    assert view.tick(end + 10 * SECOND) == []


def test_an_old_row_of_a_stored_interval_is_the_candle() -> None:
    """A repaired old row of a stored interval is told as it is."""
    view = _view("1m", rows=[_row(8, 1), _row(9, 1)])
    told = view.apply([_row(2, 7)], _until(10), START)
    assert (told[0].candle.trades, told[0].closed, told[0].complete) == (7, True, True)


def test_an_old_row_of_a_derived_interval_is_read_again() -> None:
    """For a repaired old bucket the other rows are not known: the view asks for all of them."""
    view = _view(rows=[_row(9, 1)])
    assert view.apply([_row(1, 7)], NOTHING, START) == []
    assert view.repairs() == [START]
    assert view.repairs() == []
    told = view.repair(START, [_row(0, 2), _row(1, 7)], _until(10), START)
    assert told[0].candle.trades == 9
    assert told[0].complete


def test_a_bucket_before_the_snapshot() -> None:
    """A market that runs in the past of the snapshot tells a bucket once its rows were read."""
    view = CandleView(THREE)
    view.load([], NOTHING, START + 30 * MINUTE, START)
    assert view.apply([_row(1, 7)], NOTHING, START) == []
    assert view.repairs() == [START]
    (told,) = view.repair(START, [_row(0, 2), _row(1, 7)], NOTHING, START)
    assert told.candle.trades == 9
    (told,) = view.apply([_row(2, 1)], NOTHING, START)
    assert told.candle.trades == 10


@given(
    commits=st.lists(st.integers(0, 8), min_size=1, max_size=20),
    data=st.data(),
    name=st.sampled_from(["1m", "3m"]),
)
def test_snapshot_and_changes_in_any_interleaving(
    commits: list[int], data: st.DataObject, name: str
) -> None:
    """Listening first, then reading, then merging ends in the candles of the store."""
    interval = INTERVALS[name]
    counts: dict[int, int] = {}
    states: list[dict[int, int]] = [{}]
    for minute in commits:
        counts[minute] = counts.get(minute, 0) + 1
        states.append(dict(counts))
    listened = data.draw(st.integers(0, len(commits)))
    read = data.draw(st.integers(listened, len(commits)))
    arrived = data.draw(st.integers(read, len(commits)))
    view = CandleView(interval)
    for at in range(listened, arrived):
        view.apply([_row(commits[at], states[at + 1][commits[at]])], NOTHING, START)
    view.load([_row(*pair) for pair in sorted(states[read].items())], NOTHING, START, START)
    told = {}
    for at in range(arrived, len(commits)):
        if data.draw(st.booleans()):  # a message may also come twice
            view.apply([_row(commits[at], states[at + 1][commits[at]])], NOTHING, START)
        for live in view.apply([_row(commits[at], states[at + 1][commits[at]])], NOTHING, START):
            told[live.candle.bucket] = live.candle
        for bucket in view.repairs():
            rows = [
                _row(*pair)
                for pair in sorted(states[at + 1].items())
                if interval.floor(_row(*pair).bucket) == bucket
            ]
            view.repair(bucket, rows, NOTHING, START)
    expected: dict[int, list[Candle]] = {}
    for pair in sorted(counts.items()):
        expected.setdefault(interval.floor(_row(*pair).bucket), []).append(_row(*pair))
    newest = max(expected)
    kept = [b for b in sorted(expected) if b >= interval.back(newest, 1)]
    recent = view.recent(START)
    assert [live.candle for live in recent] == [merge(b, expected[b]) for b in kept]
