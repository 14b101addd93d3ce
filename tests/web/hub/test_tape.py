"""The tape: snapshot and changes, each trade once and in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.web.hub.tape import Tape
from openoutcry.web.hub.wire import TapeTrade


def _trades(*ids: int) -> list[TapeTrade]:
    return [TapeTrade(id_, b"%d" % id_) for id_ in ids]


def _ids(trades: list[TapeTrade]) -> list[int]:
    return [trade.trade_id for trade in trades]


def test_after_a_loss_only_what_is_new_is_told() -> None:
    """Reading the snapshot again tells the trades that were missed, and no other."""
    tape = Tape()
    assert tape.load(_trades(1, 2)) == []
    assert _ids(tape.apply(_trades(3))) == [3]
    assert _ids(tape.load(_trades(2, 3, 4, 5))) == [4, 5]


def test_a_repaired_trade_is_not_told() -> None:
    """An id below one that was told is kept for snapshots and not told."""
    tape = Tape(size=3)
    tape.load(_trades(5))
    assert tape.apply(_trades(4)) == []
    assert _ids(tape.recent()) == [4, 5]


@given(st.integers(0, 30), st.data())
def test_snapshot_and_changes_in_any_interleaving(count: int, data: st.DataObject) -> None:
    """A client that joins after the load sees every trade after its snapshot once, in order."""
    listened = data.draw(st.integers(0, count))
    read = data.draw(st.integers(listened, count))
    arrived = data.draw(st.integers(read, count))
    tape = Tape(size=5)
    for id_ in range(listened, arrived):
        assert tape.apply(_trades(id_)) == []
    tape.load(_trades(*range(max(read - 5, 0), read)))
    snapshot = _ids(tape.recent())
    assert snapshot == list(range(max(arrived - 5, 0), arrived))
    told: list[int] = []
    for id_ in range(arrived, count):
        told += _ids(tape.apply(_trades(id_, max(id_ - 1, 0))))
    assert told == list(range(arrived, count))
