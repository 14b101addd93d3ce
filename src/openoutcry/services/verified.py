"""Frames that say: these are all the trades the venue has in this range of ids."""

from __future__ import annotations

import time

import numpy as np

from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, empty
from openoutcry.core.klines import Klines, encode_klines
from openoutcry.core.scales import fit
from openoutcry.model import Instrument
from openoutcry.venues.interface import TradeColumns


def verified_frame(
    instrument: Instrument, trades: TradeColumns | None, low: int, high: int, since: int = 0
) -> Frame:
    """Return a frame of `trades` that vouches for ids low..high; trades outside are left out.

    With `since` it also says that nothing happened between that venue time (µs) and the first.
    """
    rows = empty(TRADE)
    price_scale, size_scale = instrument.price_scale, instrument.size_scale
    if trades is not None:
        inside = (trades.trade_id >= low) & (trades.trade_id <= high)
        rows = np.empty(int(inside.sum()), TRADE)
        index = np.zeros(len(rows), np.int64)
        rows["price"], prices = fit(
            trades.price[inside], trades.price_scale, index, np.array([price_scale], np.int64)
        )
        rows["size"], sizes = fit(
            trades.size[inside], trades.size_scale, index, np.array([size_scale], np.int64)
        )
        price_scale, size_scale = int(prices[0]), int(sizes[0])
        rows["instrument"] = instrument.id
        rows["venue_time"] = trades.venue_time[inside]
        rows["received_time"] = now_us()
        rows["trade_id"] = trades.trade_id[inside]
        rows["side"] = trades.side[inside]
    mark = np.zeros(1, MARK)
    mark["instrument"], mark["low"], mark["high"] = instrument.id, low, high
    mark["time"] = since
    scales = np.array([(instrument.id, price_scale, size_scale)], SCALE)
    return Frame(FrameKind.VERIFIED, now_us(), scales, mark, rows)


def head_frame(instrument: Instrument, newest_id: int, newest_time: int, as_of: int) -> Frame:
    """Return a frame that says what the venue's newest trade was, some time after `as_of` (µs)."""
    mark = np.zeros(1, MARK)
    mark["instrument"], mark["trade_id"], mark["high"] = instrument.id, newest_id, as_of
    mark["time"] = newest_time
    return Frame(FrameKind.HEAD, now_us(), empty(SCALE), mark, empty(TRADE))


def klines_frame(klines: Klines) -> Frame:
    """Return a frame of the venue's own candles."""
    body = encode_klines([klines])
    return Frame(FrameKind.KLINES, now_us(), empty(SCALE), empty(MARK), empty(TRADE), body)


def now_us() -> int:
    """Return the wall clock in µs."""
    return time.time_ns() // 1000
