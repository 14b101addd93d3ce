"""Where the messages stand that tell users what happened to what is theirs."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec
from msgspec import Struct

CHANNEL: Final = "user"
FILL: Final = "order_filled"
"""The type of the message that tells of one fill."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Position(Struct, frozen=True):
    """Where a message stands: the 1st, 2nd, 3rd… of its user since the epoch began.

    Offsets have no holes. Those of different epochs have nothing to do with each other.
    """

    offset: int
    epoch: str


class _Filled(Struct):
    fill: _Fill


class _Fill(Struct):
    time: str


def position(message: bytes) -> Position:
    """Return where a message stands. Raises msgspec.DecodeError for what is no such message."""
    return _position(message)


def fill_day(data: str, time: int) -> dt.date:
    """Return the UTC day of the fill that an `order_filled` tells of.

    `time` (µs) is the message's own, for data that does not say.
    """
    try:
        return dt.date.fromisoformat(_filled(data).fill.time[:10])
    except (msgspec.DecodeError, ValueError):
        return (_EPOCH + dt.timedelta(microseconds=time)).date()


_position = msgspec.json.Decoder(Position).decode
_filled = msgspec.json.Decoder(_Filled).decode
