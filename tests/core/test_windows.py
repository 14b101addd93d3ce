"""A window taken apart and put together again is the same window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.intervals import BASES, DAY, HOUR, INTERVALS, MINUTE, SECOND
from openoutcry.core.windows import Piece, decompose

times = st.integers(0, 40 * DAY) | st.integers(0, 40 * 24 * 60).map(lambda n: n * MINUTE)
lengths = st.sampled_from([0, 1, 999, SECOND, MINUTE, 5 * MINUTE, DAY, 7 * DAY]) | st.integers(
    0, 8 * DAY
)


@given(start=times, length=lengths)
def test_pieces_are_the_window(start: int, length: int) -> None:
    """They follow one another without a hole or an overlap, and lie on their buckets' bounds."""
    pieces = decompose(start, start + length)
    reached = start
    for piece in pieces:
        assert piece.start == reached
        assert piece.start < piece.end
        if piece.base is not None:
            assert piece.base.stored
            assert piece.start % piece.base.length == piece.end % piece.base.length == 0
        reached = piece.end
    assert reached == start + length


@given(start=times, length=lengths)
def test_no_piece_could_be_read_from_longer_candles(start: int, length: int) -> None:
    """No bucket of any length that lies in the window is read from shorter candles than itself."""
    pieces = decompose(start, start + length)
    for piece in pieces:
        own = 0 if piece.base is None else piece.base.length
        for base in BASES:
            if base.length > own:
                bucket = -(-piece.start // base.length) * base.length
                assert bucket + base.length > start + length or bucket >= piece.end


@given(start=times, length=lengths)
def test_trades_are_read_for_less_than_a_second_at_each_edge(start: int, length: int) -> None:
    """Whatever the window, at most two stretches of trades below two seconds together."""
    raw = [piece for piece in decompose(start, start + length) if piece.base is None]
    assert len(raw) <= 2
    assert sum(piece.end - piece.start for piece in raw) < 2 * SECOND


@given(
    start=times,
    length=st.integers(0, 3 * HOUR),
    trades=st.lists(st.integers(0, 3 * HOUR), max_size=60),
)
def test_rows_of_the_pieces_are_the_trades_of_the_window(
    start: int, length: int, trades: list[int]
) -> None:
    """Folding trades into buckets and reading the pieces counts each trade of the window once."""
    made = [start - HOUR + offset for offset in trades]
    counted = 0
    for piece in decompose(start, start + length):
        step = 1 if piece.base is None else piece.base.length
        buckets = [time // step * step for time in made]
        counted += sum(piece.start <= bucket < piece.end for bucket in buckets)
    assert counted == sum(start <= time < start + length for time in made)


def test_a_day_that_starts_in_a_second() -> None:
    """The pieces of a rolling day, spelled out."""
    now = 20_000 * DAY + 10 * HOUR + 7 * MINUTE + 41 * SECOND + 250_000
    pieces = [
        (piece.base.name if piece.base else "trades", (piece.end - piece.start))
        for piece in decompose(now - DAY, now)
    ]
    assert pieces == [
        ("trades", 750_000),
        ("1s", 18 * SECOND),
        ("1m", 2 * MINUTE),
        ("5m", 20 * MINUTE),
        ("30m", 30 * MINUTE),
        ("1h", HOUR),
        ("4h", 20 * HOUR),
        ("2h", 2 * HOUR),
        ("5m", 5 * MINUTE),
        ("1m", 2 * MINUTE),
        ("30s", 30 * SECOND),
        ("1s", 11 * SECOND),
        ("trades", 250_000),
    ]


def test_whole_buckets_need_one_piece() -> None:
    """A window on bucket bounds is read from that one length."""
    assert decompose(DAY, 3 * DAY) == [Piece(INTERVALS["1d"], DAY, 3 * DAY)]
    assert decompose(DAY, DAY) == []
