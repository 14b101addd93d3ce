"""Microseconds since 1970 to and from the datetimes that the driver speaks in."""

from __future__ import annotations

import datetime as dt
from typing import Final

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def from_us(time: int) -> dt.datetime:
    """Return UTC microseconds as an aware datetime; exact."""
    return _EPOCH + dt.timedelta(microseconds=time)


def to_us(moment: dt.datetime) -> int:
    """Return an aware datetime as UTC microseconds; exact."""
    return (moment - _EPOCH) // _MICROSECOND
