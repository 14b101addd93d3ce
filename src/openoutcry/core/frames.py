"""Frames: how trades travel from feed to recorder, as columns in one binary block.

A frame is a header, then three little-endian numpy tables and a body, any of them empty:

    header   magic, version, kind, counts, the time it was made, CRC-32 of all the rest
    scales   SCALE rows: how many decimals each instrument's prices and sizes carry in this frame
    marks    MARK rows: what the frame's kind says about ids or times
    trades   TRADE rows
    body     bytes of the kind's own

Each frame carries its own scales, so a scale may grow between two frames without a race.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from openoutcry.errors import FrameError

Table = NDArray[np.void]

TRADE: Final = np.dtype(
    [
        ("venue_time", "<i8"),
        ("received_time", "<i8"),
        ("trade_id", "<i8"),
        ("price", "<i8"),
        ("size", "<i8"),
        ("instrument", "<u4"),
        ("side", "<i4"),
    ]
)
"""One trade, 48 bytes. Times in µs; price and size scaled; side 1 = taker bought, -1 = taker sold."""

SCALE: Final = np.dtype(
    [("instrument", "<u4"), ("price_scale", "<u2"), ("size_scale", "<u2")],
)
"""Decimal places of one instrument's prices and sizes."""

MARK: Final = np.dtype(
    [
        ("instrument", "<u4"),
        ("extra", "<u4"),
        ("low", "<i8"),
        ("high", "<i8"),
        ("trade_id", "<i8"),
        ("time", "<i8"),
    ]
)
"""A statement about one instrument; what the fields mean is the kind's. Ranges are inclusive."""


class FrameKind(IntEnum):
    """What a frame says."""

    TRADES = 0
    """Trades as they came from the live feed."""
    HEARD = 1
    """Marks low..high: venue times (µs) in which the feed listened without a break; trade_id: the
    newest id it passed on in that time, -1 for none; time: that trade's venue time."""
    VERIFIED = 2
    """Marks low..high: trade ids; `trades` are all that the venue has in those ranges. time: if not
    0, nothing happened between that venue time (µs) and the first of them."""
    HEAD = 3
    """Marks trade_id: the venue's newest id, -1 for none yet; time: that trade's venue time (µs);
    high: a venue time before which no other trade can have been missed."""
    KLINES = 4
    """Body: the venue's own final candles (`core.klines`)."""


class Frame(Struct, frozen=True):
    """A decoded frame. `made_time` is the sender's clock in µs."""

    kind: FrameKind
    made_time: int
    scales: Table
    marks: Table
    trades: Table
    body: bytes = b""


MAGIC: Final = b"OC"
VERSION: Final = 1
_HEADER: Final = struct.Struct("<2sBBIIIIqI")
_CRC_AT: Final = _HEADER.size - 4


def empty(dtype: np.dtype[Any]) -> Table:
    """Return a table of `dtype` without rows."""
    return np.empty(0, dtype)


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame."""
    rest = b"".join(
        (frame.scales.tobytes(), frame.marks.tobytes(), frame.trades.tobytes(), frame.body)
    )
    counts = (len(frame.scales), len(frame.marks), len(frame.trades), len(frame.body))
    head = _HEADER.pack(MAGIC, VERSION, frame.kind, *counts, frame.made_time, 0)[:_CRC_AT]
    return head + zlib.crc32(rest, zlib.crc32(head)).to_bytes(4, "little") + rest


def decode(data: bytes) -> Frame:
    """Return the frame in `data`; its tables are read-only views, nothing is copied.

    Raises FrameError with the reason for anything that is not exactly one whole frame.
    """
    if len(data) < _HEADER.size:
        raise FrameError(f"frame of {len(data)} bytes is shorter than its header")
    magic, version, kind, scales, marks, trades, body, made, crc = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise FrameError(f"frame starts with {magic!r}, not {MAGIC!r}")
    if version != VERSION:
        raise FrameError(f"frame version {version} is not {VERSION}")
    if kind not in FrameKind._value2member_map_:
        raise FrameError(f"frame kind {kind} is unknown")
    sizes = (scales * SCALE.itemsize, marks * MARK.itemsize, trades * TRADE.itemsize, body)
    if len(data) != _HEADER.size + sum(sizes):
        raise FrameError(f"frame of {len(data)} bytes should have {_HEADER.size + sum(sizes)}")
    view = memoryview(data)
    if zlib.crc32(view[_HEADER.size :], zlib.crc32(view[:_CRC_AT])) != crc:
        raise FrameError("frame does not match its checksum")
    at_marks = _HEADER.size + sizes[0]
    at_trades = at_marks + sizes[1]
    at_body = at_trades + sizes[2]
    return Frame(
        kind=FrameKind(kind),
        made_time=made,
        scales=np.frombuffer(data, SCALE, scales, _HEADER.size),
        marks=np.frombuffer(data, MARK, marks, at_marks),
        trades=np.frombuffer(data, TRADE, trades, at_trades),
        body=bytes(view[at_body:]),
    )
