"""The order in which one symbol's trades are told."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core import frames
from openoutcry.model import Side, Trade
from openoutcry.web.hub.binance_trades import (
    MOST_MISSED,
    Batch,
    Hole,
    TradeLine,
    batch_of_frame,
    batch_of_trades,
)


def batch(*ids: int) -> Batch:
    return Batch(2, 5, [(id_, id_ * 10, 1, 1, 0, True) for id_ in ids])


def hole(line: TradeLine) -> Hole | None:
    return line.hole


def ids(batches: list[Batch]) -> list[int]:
    return [row[0] for each in batches for row in each.rows]


def test_what_comes_before_the_beginning_waits_for_it() -> None:
    """Trades that were heard before it was known where the symbol stands are not lost."""
    line = TradeLine()
    assert line.take(batch(5, 6)) == []
    assert line.take(batch(7)) == []
    assert ids(line.begin(5, 50)) == [6, 7]
    assert ids(line.take(batch(8))) == [8]
    assert line.time == 80


def test_nothing_is_told_twice_and_nothing_old() -> None:
    """A repeated trade, and one that was repaired later, are left out."""
    line = TradeLine()
    line.begin(10, 100)
    assert ids(line.take(batch(3, 4))) == []
    assert ids(line.take(batch(9, 10, 11, 12))) == [11, 12]
    assert ids(line.take(batch(11, 12))) == []
    assert hole(line) is None


def test_a_jump_waits_for_the_store() -> None:
    """What was missed is told first, then what waited; ids that nobody has are passed over."""
    line = TradeLine()
    line.begin(10, 100)
    assert line.take(batch(14)) == []
    assert line.hole == Hole(11, 13, 100, 140)
    assert line.take(batch(15)) == []
    assert ids(line.fill(batch(11, 13))) == [11, 13, 14, 15]
    assert hole(line) is None
    assert ids(line.take(batch(16))) == [16]


def test_a_store_without_an_answer_does_not_stop_the_trades() -> None:
    """The line goes on after the hole, and after each further one."""
    line = TradeLine()
    line.begin(10, 100)
    line.take(batch(12))
    line.take(batch(14))
    assert ids(line.fill(None)) == [12]
    assert line.hole == Hole(13, 13, 120, 140)
    assert ids(line.fill(batch())) == [14]


def test_a_jump_that_no_trade_shows() -> None:
    """After the bus was away, the store's newest trade says that some were missed."""
    line = TradeLine()
    line.begin(10, 100)
    line.expect(10, 100)
    assert hole(line) is None
    line.expect(12, 120)
    assert line.hole == Hole(11, 12, 100, 120)
    assert line.take(batch(12, 13)) == []
    assert ids(line.fill(batch(11, 12))) == [11, 12, 13]


def test_a_huge_hole_is_asked_for_in_part() -> None:
    """Of a long absence the newest trades are fetched."""
    line = TradeLine()
    line.begin(10, 100)
    line.take(batch(1_000_000))
    assert line.hole == Hole(1_000_000 - MOST_MISSED, 999_999, 100, 10_000_000)


def test_a_market_without_any_trade() -> None:
    """Where nothing ever traded the first trade is told, whatever its id."""
    line = TradeLine()
    line.begin(-1, 0)
    assert ids(line.take(batch(700, 701))) == [700, 701]
    assert line.take(batch(703)) == []


def test_what_waits_is_bounded() -> None:
    """Past the bound the oldest go; they make a hole, which is asked for."""
    line = TradeLine(most_held=3)
    line.begin(10, 100)
    line.take(batch(12))
    for id_ in range(13, 20):
        line.take(batch(id_))
    assert ids(line.fill(batch(11))) == [11]
    assert line.hole == Hole(12, 16, 110, 170)
    assert ids(line.fill(batch(12, 13, 14, 15, 16))) == [12, 13, 14, 15, 16, 17, 18, 19]


@given(
    lost=st.sets(st.integers(0, 40)),
    repeats=st.lists(st.integers(0, 40), max_size=10),
    late=st.integers(0, 3),
)
def test_with_a_store_that_knows_all_nothing_is_lost(
    lost: set[int], repeats: list[int], late: int
) -> None:
    """Whichever messages the bus loses or repeats, every trade is told once and in order."""
    line = TradeLine()
    told = ids(line.begin(0, 0))
    waiting = 0
    for id_ in range(1, 41):
        if id_ in lost:
            continue
        told += ids(line.take(batch(id_)))
        told += ids(line.take(batch(*(id_ - 1,) if id_ in repeats and id_ > 1 else (id_,))))
        waiting += line.hole is not None
        if line.hole is not None and waiting > late:
            waiting = 0
            told += ids(line.fill(batch(*range(line.hole.first, line.hole.last + 1))))
    while line.hole is not None:
        told += ids(line.fill(batch(*range(line.hole.first, line.hole.last + 1))))
    newest = max(set(range(1, 41)) - lost, default=0)
    assert told == list(range(1, newest + 1))


def test_frames_and_rows_of_the_store_are_alike() -> None:
    """The same trades by either way make the same messages, at scales that hold them."""
    frame = frames.Frame(
        frames.FrameKind.TRADES,
        0,
        np.array([(1, 2, 3)], frames.SCALE),
        frames.empty(frames.MARK),
        np.array([(1000, 0, 7, 150, 1250, 1, 1), (1001, 0, 8, 151, 1000, 1, -1)], frames.TRADE),
    )
    assert batch_of_frame(frame) == Batch(
        2, 3, [(7, 1000, 150, 1250, 0, True), (8, 1001, 151, 1000, 0, False)]
    )
    stored = [
        Trade("v", "S", 7, Decimal("1.50"), Decimal("1.250"), Side.BUY, 1000, 0),
        Trade("v", "S", 8, Decimal("1.51"), Decimal(1), Side.SELL, 1001, 0),
    ]
    assert batch_of_trades(stored) == Batch(
        2, 2, [(7, 1000, 150, 125, 0, True), (8, 1001, 151, 100, 0, False)]
    )
    assert batch_of_trades([]) == Batch(0, 0, [])
