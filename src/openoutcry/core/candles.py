"""Fold trades into base candles. Pure: no clock, no I/O."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from openoutcry.core.frames import Table
from openoutcry.core.intervals import BASES, Interval
from openoutcry.core.scales import INT64_MAX

Ints = NDArray[np.int64]
Wide = NDArray[Any]  # int64, or Python integers (dtype object) where 64 bits are too few

_SAFE: Final = float(INT64_MAX) * 0.999


class CandleColumns(Struct, frozen=True):
    """Candles as columns, one row per instrument and bucket, ascending by both.

    Prices at the instrument's price scale, volumes at its size scale, quote volumes at the sum of
    both. Buckets in µs. Volumes are exact: Python integers where 64 bits are too few.
    """

    instrument: Ints
    bucket: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Wide
    quote_volume: Wide
    trades: Ints
    taker_buy_volume: Wide
    taker_buy_quote_volume: Wide
    first_id: Ints
    last_id: Ints

    def __len__(self) -> int:
        return len(self.bucket)


def fold_all(trades: Table) -> dict[str, CandleColumns]:
    """Return the candles of every stored interval, by its name."""
    folded: dict[str, CandleColumns] = {}
    rows = as_rows(trades)
    for base in BASES:
        rows = fold(rows, base)
        folded[base.name] = rows
    return folded


def as_rows(trades: Table) -> CandleColumns:
    """Return each trade as a candle of its own, ascending by instrument and time."""
    order = _order(trades)
    if order is not None:
        trades = trades[order]
    price = trades["price"]
    size: Wide = trades["size"]
    bought = trades["side"] > 0
    quote: Wide
    if float(np.dot(price.astype(np.float64), size.astype(np.float64))) > _SAFE:
        quote = price.astype(object) * size.astype(object)
    else:
        quote = price * size
    if float(size.sum(dtype=np.float64)) > _SAFE:
        size = size.astype(object)
    return CandleColumns(
        instrument=trades["instrument"].astype(np.int64),
        bucket=trades["venue_time"],
        open=price,
        high=price,
        low=price,
        close=price,
        volume=size,
        quote_volume=quote,
        trades=np.ones(len(trades), np.int64),
        taker_buy_volume=np.where(bought, size, 0),
        taker_buy_quote_volume=np.where(bought, quote, 0),
        first_id=trades["trade_id"],
        last_id=trades["trade_id"],
    )


def fold(rows: CandleColumns, interval: Interval) -> CandleColumns:
    """Return `rows` (ascending by instrument and bucket) folded into buckets of `interval`.

    Open and close follow the venue's trade ids, not arrival and not time.
    """
    if not len(rows):
        return rows
    bucket = rows.bucket - (rows.bucket - interval.origin) % interval.length
    starts = np.empty(len(rows), bool)
    starts[0] = True
    np.not_equal(bucket[1:], bucket[:-1], out=starts[1:])
    starts[1:] |= rows.instrument[1:] != rows.instrument[:-1]
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(rows)) - 1
    opened, closed = rows.open, rows.close
    inside = ~starts[1:]
    if np.any(inside & (rows.first_id[1:] < rows.first_id[:-1])):
        opened = opened[np.lexsort((rows.first_id, bucket, rows.instrument))]
    if np.any(inside & (rows.last_id[1:] < rows.last_id[:-1])):
        closed = closed[np.lexsort((rows.last_id, bucket, rows.instrument))]
    return CandleColumns(
        instrument=rows.instrument[first],
        bucket=bucket[first],
        open=opened[first],
        high=np.maximum.reduceat(rows.high, first),
        low=np.minimum.reduceat(rows.low, first),
        close=closed[last],
        volume=np.add.reduceat(rows.volume, first),
        quote_volume=np.add.reduceat(rows.quote_volume, first),
        trades=np.add.reduceat(rows.trades, first),
        taker_buy_volume=np.add.reduceat(rows.taker_buy_volume, first),
        taker_buy_quote_volume=np.add.reduceat(rows.taker_buy_quote_volume, first),
        first_id=np.minimum.reduceat(rows.first_id, first),
        last_id=np.maximum.reduceat(rows.last_id, first),
    )


def _order(trades: Table) -> NDArray[np.intp] | None:
    """Return the order by instrument and time; None where the rows are in it already."""
    instrument, time = trades["instrument"], trades["venue_time"]
    same = instrument[1:] == instrument[:-1]
    if np.all((instrument[1:] > instrument[:-1]) | (same & (time[1:] >= time[:-1]))):
        return None
    return np.lexsort((trades["trade_id"], time, instrument))
