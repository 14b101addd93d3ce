"""Scaled integers: exact decimals as 64-bit columns, widened without loss when a value needs it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openoutcry.errors import ProtocolError, ScaleOverflowError

Ints = NDArray[np.int64]

MAX_SCALE: Final = 18
INT64_MAX: Final = 2**63 - 1
POWERS: Final = np.array([10**k for k in range(19)], np.int64)
"""10**k for k in 0..18."""


def scale_of(number: Decimal) -> int:
    """Return how many decimal places `number` needs: 0.01000 needs 2, 100 needs 0."""
    exponent = number.normalize().as_tuple().exponent
    if not isinstance(exponent, int):
        raise ProtocolError(f"{number} is not a finite number")
    return max(0, -exponent)


def to_scaled(number: Decimal, scale: int) -> int:
    """Return `number` x 10**`scale`. Raises ScaleOverflowError where that loses or overflows."""
    shifted = number.scaleb(scale)
    whole = int(shifted)
    if whole != shifted:
        raise ScaleOverflowError(f"{number} has more than {scale} decimal places")
    if abs(whole) > INT64_MAX:
        raise ScaleOverflowError(f"{number} at scale {scale} does not fit 64 bits")
    return whole


def to_decimal(value: int, scale: int) -> Decimal:
    """Return the exact decimal of a scaled integer."""
    return Decimal(int(value)).scaleb(-scale)


def parse_decimals(texts: Sequence[str]) -> tuple[Ints, int]:
    """Return decimals written as text, scaled to a common scale, and that scale.

    The scale is the number of places written, trailing zeros included. Never passes a float.
    Raises ProtocolError for text that is no plain decimal, ScaleOverflowError where it does not fit.
    """
    if not texts:
        return np.empty(0, np.int64), 0
    first = texts[0]
    places = len(first) - first.find(".") - 1 if "." in first else 0
    mark = -places - 1
    if places and all(text[mark : mark + 1] == "." for text in texts):
        digits = " ".join(texts).replace(".", "")
        if len(digits) < 19 * len(texts) and digits.replace(" ", "").isdigit():
            parts = digits.split(" ")
            if len(parts) == len(texts) and max(map(len, parts)) <= 18:
                return np.array(list(map(int, parts)), np.int64), places
    return _parse_slowly(texts)


def _parse_slowly(texts: Sequence[str]) -> tuple[Ints, int]:
    try:
        numbers = [Decimal(text) for text in texts]
    except InvalidOperation:
        bad = next(text for text in texts if not _is_decimal(text))
        raise ProtocolError(f"{bad!r} is not a decimal number") from None
    scale = max(scale_of(number) for number in numbers)
    if scale > MAX_SCALE:
        raise ScaleOverflowError(f"{scale} decimal places are more than {MAX_SCALE}")
    return np.array([to_scaled(number, scale) for number in numbers], np.int64), scale


def _is_decimal(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True


def rescale(values: Ints, old: int | Ints, new: int | Ints) -> Ints:
    """Return `values` brought from scale `old` up to `new` (>= old), each a number or a column.

    Raises ScaleOverflowError instead of wrapping.
    """
    factor = POWERS[np.asarray(new) - np.asarray(old)]
    if len(values) and np.any(np.abs(values) > INT64_MAX // factor):
        raise ScaleOverflowError(f"a value does not fit 64 bits at scale {np.max(new)}")
    return values * factor


def trim(values: Ints, scale: int, at_least: Ints) -> tuple[Ints, Ints]:
    """Return `values` brought down from `scale` to each row's own scale, and the scales they need.

    `at_least` is the scale wanted per row. A row that would lose digits keeps as many as it needs:
    its needed scale is then larger than wanted, and its value stays at `scale`.
    """
    wanted = np.minimum(at_least, scale)
    divisor = POWERS[scale - wanted]
    whole, rest = np.divmod(values, divisor)
    needed = wanted.astype(np.int64)
    for row in np.flatnonzero(rest):
        needed[row] = scale_of(to_decimal(int(values[row]), scale))
    return whole, needed
