"""Turn a batch of frames into what is to be written: new trades, candle deltas, changed ledgers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from openoutcry.core.candle_messages import Committed
from openoutcry.core.candles import CandleColumns, as_rows, fold
from openoutcry.core.frames import SCALE, TRADE, Frame, FrameKind, Table, empty
from openoutcry.core.intervals import BASES, SECOND, Interval
from openoutcry.core.klines import Klines, decode_klines
from openoutcry.core.ledger import Ledger, LedgerChange
from openoutcry.core.scales import MAX_SCALE, rescale
from openoutcry.errors import FrameError

Ints = NDArray[np.int64]

_SMALL: Final = 2**16
"""Instrument ids below this fit a lookup table, and 16 bits, which numpy sorts in linear time."""
_YEAR_10000: Final = 253_402_300_800_000_000


class Renewal(Struct, frozen=True):
    """A candle to be made anew of the next shorter stored ones: instrument, base, bucket (µs)."""

    instrument: int
    base: Interval
    bucket: int


class Recorded(Struct, frozen=True):
    """What a batch adds to the store.

    `trades` are the new ones, ascending by instrument and id, at the scales in `scales` (one row an
    instrument, ascending). `deltas` are candles to add to stored ones, by base name; `changes` is
    what became of the ledgers. `renewals` are candles in which trades lie before sealed ones: a sum
    that knows no ids cannot tell their open and close, the shorter candles can. `seen` counts the
    trades that came in, `repeated` those not new. `committed` is set once it is durable.
    """

    trades: Table
    scales: Table
    deltas: list[tuple[str, CandleColumns]]
    changes: list[LedgerChange]
    klines: list[Klines] = field(default_factory=list)
    renewals: list[Renewal] = field(default_factory=list)
    seen: int = 0
    repeated: int = 0
    committed: Committed | None = None


def record(frames: Sequence[Frame], ledger_of: Callable[[int], Ledger]) -> Recorded:
    """Return what `frames` add; the ledgers (`ledger_of` by instrument id) take it in.

    The order of trades within a batch does not matter, nor do repeats. Raises ScaleOverflowError if
    a rescaled value leaves 64 bits, FrameError for rows that cannot be (see `gather`).
    """
    trades, scales = gather(frames)
    seen = len(trades)
    fresh, touched = _absorb(trades, ledger_of)
    for frame in frames:
        for ledger in _apply_marks(frame, ledger_of):
            touched[ledger.instrument] = ledger
    klines = [k for f in frames if f.kind is FrameKind.KLINES for k in decode_klines(f.body)]
    for one in klines:
        ledger = ledger_of(one.instrument)
        touched[ledger.instrument] = ledger
        ledger.sealed(one.base_seconds, one.start, one.end)
    deltas = _fold(fresh, touched)
    return Recorded(
        trades=fresh,
        scales=scales,
        deltas=deltas,
        changes=[ledger.take_change() for ledger in touched.values()],
        klines=klines,
        renewals=_renewals(fresh, touched),
        seen=seen,
        repeated=seen - len(fresh),
    )


def gather(frames: Sequence[Frame]) -> tuple[Table, Table]:
    """Return all trades of `frames` in one table at common scales, and those scales.

    Raises FrameError for trades without scales, without a taker, or outside the years 1970-9999.
    """
    tables = [frame for frame in frames if len(frame.trades)]
    if not tables:
        return empty(TRADE), empty(SCALE)
    for frame in tables:
        if not len(frame.scales):
            raise FrameError("a frame has trades and no scales")
    scales, agreed = _common_scales([frame.scales for frame in tables])
    parts = [frame.trades if agreed else _at_scales(frame, scales) for frame in tables]
    trades = np.concatenate(parts) if len(parts) > 1 else parts[0]
    _known(trades, scales)
    if np.any((trades["venue_time"] < 0) | (trades["venue_time"] >= _YEAR_10000)):
        raise FrameError("a trade's time is outside the years 1970-9999")
    if np.any(np.abs(trades["side"]) != 1):
        raise FrameError("a trade's side is neither 1 nor -1")
    return trades, scales


def row_scales(instruments: NDArray[np.uint32], scales: Table) -> tuple[Ints, Ints]:
    """Return the price and the size scale of each row by its instrument."""
    at = _places(instruments, scales["instrument"])
    return (
        scales["price_scale"][at].astype(np.int64),
        scales["size_scale"][at].astype(np.int64),
    )


def _common_scales(tables: Sequence[Table]) -> tuple[Table, bool]:
    """Return the largest scales of each instrument, and whether all tables agree on them."""
    rows = np.concatenate(tables)
    ids, at = np.unique(rows["instrument"], return_inverse=True)
    common = np.zeros(len(ids), SCALE)
    common["instrument"] = ids
    if np.any((rows["price_scale"] > MAX_SCALE) | (rows["size_scale"] > MAX_SCALE)):
        raise FrameError(f"a scale is above {MAX_SCALE}")
    np.maximum.at(common["price_scale"], at, rows["price_scale"])
    np.maximum.at(common["size_scale"], at, rows["size_scale"])
    return common, bool(np.all(common[at] == rows))


def _known(trades: Table, scales: Table) -> None:
    """Raise FrameError if a trade's instrument is not in `scales`."""
    if np.any(_places(trades["instrument"], scales["instrument"]) < 0):
        raise FrameError("a trade's instrument has no scales in its frame")


def _places(wanted: NDArray[np.uint32], known: NDArray[np.uint32]) -> Ints:
    """Return where in `known` (ascending) each of `wanted` stands, -1 for those that are not there."""
    if not len(known) or not len(wanted):
        return np.full(len(wanted), -1, np.int64)
    highest = int(max(known[-1], wanted.max()))
    if highest < _SMALL:
        places = np.full(highest + 1, -1, np.int64)
        places[known] = np.arange(len(known))
        return places[wanted]
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)


def _at_scales(frame: Frame, scales: Table) -> Table:
    own = np.sort(frame.scales, order="instrument")
    _known(frame.trades, own)
    trades = frame.trades.copy()
    old_price, old_size = row_scales(trades["instrument"], own)
    new_price, new_size = row_scales(trades["instrument"], scales)
    trades["price"] = rescale(trades["price"], old_price, new_price)
    trades["size"] = rescale(trades["size"], old_size, new_size)
    return trades


def _absorb(trades: Table, ledger_of: Callable[[int], Ledger]) -> tuple[Table, dict[int, Ledger]]:
    touched: dict[int, Ledger] = {}
    if not len(trades):
        return trades, touched
    trades = _sorted_unique(trades)
    instruments = trades["instrument"]
    starts = np.flatnonzero(np.diff(instruments, prepend=instruments[0] + np.uint32(1)))
    ends = np.append(starts[1:], len(trades))
    ids = np.ascontiguousarray(trades["trade_id"])
    times = np.ascontiguousarray(trades["venue_time"])
    fresh = np.empty(len(trades), bool)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        ledger = ledger_of(int(instruments[start]))
        touched[ledger.instrument] = ledger
        fresh[start:end] = ledger.absorb(ids[start:end], times[start:end])
    return (trades if fresh.all() else trades[fresh]), touched


def _sorted_unique(trades: Table) -> Table:
    """Return the rows ascending by instrument and id, each once (the first to come stays).

    `take` moves whole rows of a structured array, twenty times as fast as an index in brackets.
    """
    if _ascending(trades):
        return trades
    # Ids mostly come in order: to bring instruments together, in linear time, is then enough.
    instrument = trades["instrument"]
    if instrument.max() < _SMALL:
        trades = trades.take(np.argsort(instrument.astype(np.uint16), kind="stable"))
        if _ascending(trades):
            return trades
    trades = trades.take(np.lexsort((trades["trade_id"], trades["instrument"])))
    instrument, trade_id = trades["instrument"], trades["trade_id"]
    first = np.ones(len(trades), bool)
    first[1:] = (instrument[1:] != instrument[:-1]) | (trade_id[1:] != trade_id[:-1])
    return trades[first]


def _ascending(trades: Table) -> bool:
    """Return whether the rows ascend by instrument and id, without repeats."""
    instrument, trade_id = trades["instrument"], trades["trade_id"]
    same = instrument[1:] == instrument[:-1]
    ordered = (instrument[1:] > instrument[:-1]) | (same & (trade_id[1:] > trade_id[:-1]))
    return bool(ordered.all())


def _apply_marks(frame: Frame, ledger_of: Callable[[int], Ledger]) -> list[Ledger]:
    apply = _MARKS.get(frame.kind)
    if apply is None:
        return []
    touched = []
    for mark in frame.marks:
        ledger = ledger_of(int(mark["instrument"]))
        apply(ledger, mark, frame)
        touched.append(ledger)
    return touched


def _heard(ledger: Ledger, mark: np.void, _frame: Frame) -> None:
    newest = int(mark["trade_id"])
    ledger.heard(int(mark["low"]), int(mark["high"]), newest, int(mark["time"]))


def _head(ledger: Ledger, mark: np.void, _frame: Frame) -> None:
    ledger.head(int(mark["trade_id"]), int(mark["high"]), int(mark["time"]))


def _verified(ledger: Ledger, mark: np.void, frame: Frame) -> None:
    rows = frame.trades[frame.trades["instrument"] == mark["instrument"]]
    times = rows["venue_time"]
    span = (int(times.min()), int(times.max())) if len(rows) else None
    since = int(mark["time"])
    ledger.verified(int(mark["low"]), int(mark["high"]), span, since or None)


_MARKS: Final[Mapping[FrameKind, Callable[[Ledger, np.void, Frame], None]]] = {
    FrameKind.HEARD: _heard,
    FrameKind.HEAD: _head,
    FrameKind.VERIFIED: _verified,
}


def _fold(trades: Table, ledgers: Mapping[int, Ledger]) -> list[tuple[str, CandleColumns]]:
    """Return the deltas of every base; trades in buckets that klines have sealed stay out of them."""
    if not len(trades):
        return []
    limit = _finest_seal(trades, ledgers)
    if limit is None:
        return _fold_below(trades, BASES[-1].length + 1)
    deltas: list[tuple[str, CandleColumns]] = []
    for length in np.unique(limit).tolist():
        deltas += _fold_below(trades[limit == length], length)
    return deltas


def _fold_below(trades: Table, length: int) -> list[tuple[str, CandleColumns]]:
    rows = as_rows(trades)
    deltas = []
    for base in BASES:
        if base.length < length:
            rows = fold(rows, base)
            deltas.append((base.name, rows))
    return deltas


def _renewals(trades: Table, ledgers: Mapping[int, Ledger]) -> list[Renewal]:
    """Return the candles with trades before a sealed stretch of theirs, the shortest first."""
    found: set[tuple[int, int, int]] = set()
    for ledger in ledgers.values():
        if not ledger.klines:
            continue
        times = trades["venue_time"][trades["instrument"] == ledger.instrument]
        for span in ledger.klines if len(times) else ():
            for at, base in enumerate(BASES):
                bucket = base.floor(span.start)
                if base.length > span.base * SECOND and np.any(
                    (times >= bucket) & (times < span.start)
                ):
                    found.add((at, ledger.instrument, bucket))
    return [Renewal(instrument, BASES[at], bucket) for at, instrument, bucket in sorted(found)]


def _finest_seal(trades: Table, ledgers: Mapping[int, Ledger]) -> Ints | None:
    """Return for each trade the length (µs) of the finest sealed candle around it; None if no seal."""
    limit: Ints | None = None
    for ledger in ledgers.values():
        for span in ledger.klines:
            inside = (
                (trades["instrument"] == ledger.instrument)
                & (trades["venue_time"] >= span.start)
                & (trades["venue_time"] < span.end)
            )
            if inside.any():
                if limit is None:
                    limit = np.full(len(trades), BASES[-1].length + 1, np.int64)
                limit[inside] = np.minimum(limit[inside], span.base * SECOND)
    return limit
