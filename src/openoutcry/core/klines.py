"""The venue's own candles, for history that was never heard live."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from openoutcry.core.intervals import INTERVALS, SECOND, Interval
from openoutcry.errors import FrameError
from openoutcry.model import Candle


class Klines(Struct, frozen=True):
    """Final candles of one instrument at a stored interval `base`, ascending.

    They are all that happened in venue times `start`..`end` (µs, on bucket bounds, end exclusive);
    buckets without trades are left out.
    """

    instrument: int
    base: str
    start: int
    end: int
    candles: list[Candle]

    @property
    def base_seconds(self) -> int:
        """Return the length of the interval in seconds."""
        return self.interval.length // SECOND

    @property
    def interval(self) -> Interval:
        """Return the interval of the candles."""
        return INTERVALS[self.base]


def encode_klines(klines: list[Klines]) -> bytes:
    """Return the body of a KLINES frame."""
    return msgspec.msgpack.encode(klines)


def decode_klines(body: bytes) -> list[Klines]:
    """Return the klines of a frame's body. Raises FrameError for anything else."""
    try:
        klines = msgspec.msgpack.decode(body, type=list[Klines])
    except msgspec.MsgspecError as error:
        raise FrameError(f"klines cannot be read: {error}") from None
    for one in klines:
        if one.base not in KLINE_BASES:
            raise FrameError(f"klines of {one.base!r}; stored are {', '.join(KLINE_BASES)}")
    return klines


KLINE_BASES: Final = tuple(i.name for i in INTERVALS.values() if i.stored and i.name != "30s")
"""Intervals that both we store and venues publish."""
