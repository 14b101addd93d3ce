"""PostgreSQL's binary COPY format, written from columns with numpy: no Python object per value.

Format: the documentation's chapter on COPY (binary format), and `numeric_recv` of PostgreSQL's
numeric.c for numbers: groups of four decimal digits, a weight, a sign and a display scale. Groups of
leading or trailing zeros are allowed there, so that every row of a batch can have the same length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from openoutcry.core.scales import POWERS

Column = NDArray[Any]

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

POSTGRES_EPOCH: Final = 946_684_800_000_000
"""2000-01-01 in µs since 1970: PostgreSQL counts its timestamps from there."""

_GROUP: Final = 10_000
_NEGATIVE: Final = 0x4000
_INT64_MIN: Final = -(2**63)


class Int(Struct, frozen=True):
    """A column of int2, int4 or int8: `width` is 2, 4 or 8 bytes."""

    values: Column
    width: int


class Timestamp(Struct, frozen=True):
    """A column of timestamptz from µs since 1970."""

    values: Column


class Numeric(Struct, frozen=True):
    """A column of numeric from scaled integers (int64, or Python integers for wider ones).

    `scales` holds each row's decimal places.
    """

    values: Column
    scales: NDArray[np.int64]


Field = Int | Timestamp | Numeric


def encode(fields: Sequence[Field]) -> bytes:
    """Return a whole COPY payload of the rows in `fields`, which are columns of one length."""
    rows = len(fields[0].values)
    if rows == 0:
        return HEADER + TRAILER
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    parts: list[tuple[str, Column | int]] = [("fields", len(fields))]
    for at, column in enumerate(fields):
        for name, kind, values in _parts(column):
            layout.append((f"{at}{name}", kind))
            parts.append((f"{at}{name}", values))
    table = np.empty(rows, np.dtype(layout))
    for name, values in parts:
        table[name] = values
    return b"".join((HEADER, table.tobytes(), TRAILER))


def _parts(column: Field) -> list[tuple[str, str, Column | int]]:
    if isinstance(column, Int):
        most = 2 ** (8 * column.width - 1)
        if column.width < 8 and (column.values.min() < -most or column.values.max() >= most):
            raise OverflowError(f"an integer does not fit {column.width} bytes")
        return [("length", ">i4", column.width), ("value", f">i{column.width}", column.values)]
    if isinstance(column, Timestamp):
        return [("length", ">i4", 8), ("value", ">i8", column.values - POSTGRES_EPOCH)]
    return _numeric_parts(column)


def _numeric_parts(column: Numeric) -> list[tuple[str, str, Column | int]]:
    values, scales = column.values, column.scales
    negative = values < 0
    signed = bool(negative.any())
    if signed:
        if values.dtype != object and values.min() == _INT64_MIN:
            values = values.astype(object)  # its absolute value takes 64 bits and a sign
        values = np.abs(values)
    deepest = int(scales.max())
    behind = -(-deepest // 4)
    if values.dtype == object or behind > 4:
        values = values.astype(object)
        powers: Column = np.array([10**k for k in range(4 * behind + 1)], object)
    else:
        powers = POWERS
    if np.all(scales == deepest):
        whole, rest = _divmod(values, powers[deepest])
        rest = rest * powers[4 * behind - deepest]
    else:
        whole, rest = _divmod(values, powers[scales])
        rest = rest * powers[4 * behind - scales]
    groups = _groups(rest, behind)
    before = 0
    largest = int(whole.max())
    while largest:
        largest //= _GROUP
        before += 1
    groups = _groups(whole, before) + groups
    count = before + behind
    sign: Column | int = np.where(negative, _NEGATIVE, 0) if signed else 0
    return [
        ("length", ">i4", 8 + 2 * count),
        ("count", ">i2", count),
        ("weight", ">i2", before - 1),
        ("sign", ">i2", sign),
        ("scale", ">i2", scales),
        *((f"digits{at}", ">i2", digits) for at, digits in enumerate(groups)),
    ]


def _divmod(values: Column, by: Any) -> tuple[Column, Column]:
    """Return quotients and remainders; numpy's own divmod knows no Python integers."""
    if values.dtype == object:
        return values // by, values % by
    whole, rest = np.divmod(values, by)
    return whole, rest


def _groups(values: Column, count: int) -> list[Column]:
    """Return `count` columns of base-10000 digits of `values`, most significant first."""
    groups: list[Column] = []
    for _ in range(count - 1):
        values, digits = _divmod(values, _GROUP)
        groups.append(digits)
    if count:
        groups.append(values)
    return groups[::-1]
