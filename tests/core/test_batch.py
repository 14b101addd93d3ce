"""What a batch of frames adds: scales that grow, seals, repeats, and rows that cannot be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.batch import Recorded, gather, record, row_scales
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, empty
from openoutcry.core.intervals import BASES, HOUR, MINUTE, SECOND
from openoutcry.core.klines import Klines, encode_klines
from openoutcry.core.ledger import Ledger
from openoutcry.core.scales import to_decimal
from openoutcry.errors import FrameError

T0 = 1_723_161_600_000_000 // HOUR * HOUR


class Ledgers(dict[int, Ledger]):
    """Ledgers made when first asked for."""

    def __missing__(self, instrument: int) -> Ledger:
        self[instrument] = Ledger(instrument)
        return self[instrument]


def trades_frame(
    rows: list[tuple[Any, ...]],
    scales: list[tuple[int, int, int]],
    kind: FrameKind = FrameKind.TRADES,
) -> Frame:
    """Return a frame of rows (instrument, id, time, price, size)."""
    table = np.array([(t, t, i, p, s, n, 1) for n, i, t, p, s in rows], TRADE)
    return Frame(kind, 0, np.array(scales, SCALE), empty(MARK), table)


def klines_frame(base: str, start: int, end: int) -> Frame:
    """Return a frame that seals start..end of instrument 1."""
    body = encode_klines([Klines(instrument=1, base=base, start=start, end=end, candles=[])])
    return Frame(FrameKind.KLINES, 0, empty(SCALE), empty(MARK), empty(TRADE), body)


def bases(recorded: Recorded) -> dict[str, int]:
    """Return how many trades the deltas of each base count."""
    counts: dict[str, int] = {}
    for name, rows in recorded.deltas:
        counts[name] = counts.get(name, 0) + int(rows.trades.sum())
    return counts


@given(
    st.lists(
        st.tuples(
            st.integers(0, 8), st.integers(0, 8),
            st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9**9)), min_size=1, max_size=4),
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_scales_that_grow_change_no_number(
    parts: list[tuple[int, int, list[tuple[int, int]]]],
) -> None:
    """Frames at different scales end up in one table, each number worth what it was."""
    frames, wanted = [], []
    for number, (price_scale, size_scale, rows) in enumerate(parts):
        made = [(n, 10 * number + at, T0, v, v + 1) for at, (n, v) in enumerate(rows)]
        present = sorted({n for n, _ in rows}, reverse=True)
        frames.append(trades_frame(made, [(n, price_scale, size_scale) for n in present]))
        wanted += [
            (n, i, to_decimal(p, price_scale), to_decimal(s, size_scale)) for n, i, _, p, s in made
        ]
    table, scales = gather(frames)
    price, size = row_scales(table["instrument"], scales)
    found = [
        (int(r["instrument"]), int(r["trade_id"]), to_decimal(r["price"], p), to_decimal(r["size"], s))
        for r, p, s in zip(table, price.tolist(), size.tolist(), strict=True)
    ]  # fmt: skip
    assert sorted(found) == sorted(wanted)


def test_repeats_within_and_between_batches_are_told_apart() -> None:
    """Each trade is new once, whether its twin is in the same batch or in an earlier one."""
    ledgers = Ledgers()
    frame = trades_frame([(1, i, T0 + i, 100, 1) for i in (3, 1, 2, 2, 3)], [(1, 2, 2)])
    first = record([frame, frame], ledgers.__getitem__)
    assert first.trades["trade_id"].tolist() == [1, 2, 3]
    assert (first.seen, first.repeated) == (10, 7)
    again = record([frame], ledgers.__getitem__)
    assert (len(again.trades), again.repeated, again.deltas) == (0, 5, [])


def test_several_instruments_have_ledgers_of_their_own() -> None:
    """The same id of two instruments is two trades; each ledger changes on its own."""
    rows = [(2, 5, T0, 1, 1), (1, 5, T0, 1, 1), (2, 7, T0, 1, 1)]
    recorded = record([trades_frame(rows, [(2, 0, 0), (1, 0, 0)])], Ledgers().__getitem__)
    assert recorded.trades["instrument"].tolist() == [1, 2, 2]
    gaps = {c.instrument: [g.missing for g in c.gaps] for c in recorded.changes}
    assert gaps == {1: [], 2: [((6, 6),)]}


def test_sealed_candles_take_no_late_trades() -> None:
    """A trade in a sealed minute goes into the seconds of it, and into nothing as long or longer."""
    ledgers = Ledgers()
    record([klines_frame("1m", T0, T0 + MINUTE)], ledgers.__getitem__)
    late = trades_frame([(1, 1, T0 + SECOND, 100, 1), (1, 2, T0 + MINUTE, 100, 1)], [(1, 2, 2)])
    recorded = record([late], ledgers.__getitem__)
    assert len(recorded.trades) == 2
    assert bases(recorded) == dict.fromkeys([base.name for base in BASES], 1) | {"1s": 2, "30s": 2}


def test_the_finest_seal_decides() -> None:
    """Where an hour and a minute in it are sealed, the minute's trades stay out of both."""
    ledgers = Ledgers()
    seals = [klines_frame("1h", T0, T0 + HOUR), klines_frame("1m", T0, T0 + MINUTE)]
    record(seals, ledgers.__getitem__)
    late = trades_frame([(1, 1, T0, 1, 1), (1, 2, T0 + 2 * MINUTE, 1, 1)], [(1, 2, 2)])
    assert bases(record([late], ledgers.__getitem__)) == {
        "1s": 2,
        "30s": 2,
        "1m": 1,
        "5m": 1,
        "30m": 1,
    }


def test_seals_of_the_same_batch_count() -> None:
    """Klines and trades that arrive together do not add up twice, whichever stands first."""
    late = trades_frame([(1, 1, T0, 1, 1)], [(1, 2, 2)])
    seal = klines_frame("1m", T0, T0 + MINUTE)
    for frames in ([late, seal], [seal, late]):
        assert bases(record(frames, Ledgers().__getitem__)) == {"1s": 1, "30s": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [("venue_time", -1), ("venue_time", 2**62), ("side", 0), ("side", 70_000), ("instrument", 9)],
)
def test_impossible_rows_are_frame_errors(field: str, value: int) -> None:
    """A row that no store could hold is the frame's fault, and said so."""
    frame = trades_frame([(1, 1, T0, 1, 1), (1, 2, T0, 1, 1)], [(1, 2, 2)])
    frame.trades[field][1] = value
    with pytest.raises(FrameError):
        record([frame], Ledgers().__getitem__)


def test_impossible_scales_are_frame_errors() -> None:
    """A scale above 18 is refused before powers of ten of that size are made."""
    with pytest.raises(FrameError, match="scale"):
        record([trades_frame([(1, 1, T0, 1, 1)], [(1, 65_535, 2)])], Ledgers().__getitem__)


@pytest.mark.parametrize("instruments", [(1, 3), (1, 9**9), (9**9, 10**9 + 1), (2, 9**9)])
def test_instruments_of_any_number_find_their_scales(instruments: tuple[int, int]) -> None:
    """Small numbers and large ones alike; one that has none is a frame error."""
    scales = [(one, 2 + at, 5 + at) for at, one in enumerate(instruments)]
    rows = [(one, at, T0, 1, 1) for at, one in enumerate([*instruments, instruments[0]])]
    table, found = gather([trades_frame(rows, scales)])
    price, size = row_scales(table["instrument"], found)
    assert (price.tolist(), size.tolist()) == ([2, 3, 2], [5, 6, 5])
    for stranger in (0, instruments[0] + 1, instruments[1] + 1):
        with pytest.raises(FrameError, match="no scales in its frame"):
            gather([trades_frame([*rows, (stranger, 7, T0, 1, 1)], scales)])


def test_no_frames_add_nothing() -> None:
    """Marks for an instrument without trades change nothing that is written."""
    marks = np.array([(1, 0, 5, 9, 3, 0)], MARK)
    heard = Frame(FrameKind.HEARD, 0, empty(SCALE), marks, empty(TRADE))
    recorded = record([heard], Ledgers().__getitem__)
    assert (len(recorded.trades), recorded.deltas, recorded.klines) == (0, [], [])
    assert [change.live for change in recorded.changes] == [None]
    assert Decimal(0) == recorded.seen
