"""Scaled integers: exact decimals as 64-bit columns, widened without loss when a value needs it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openoutcry.errors import ProtocolError, ScaleOverflowError

Ints = NDArray[np.int64]

MAX_SCALE: Final = 18
INT64_MAX: Final = 2**63 - 1
EXACT: Final = Context(prec=120, traps=[InvalidOperation, Inexact, Overflow])
"""Decimal arithmetic that raises ArithmeticError where it would have to round."""

_MOST_DIGITS: Final = 18
"""So many digits always fit 64 bits."""

POWERS: Final = np.array([10**k for k in range(19)], np.int64)
"""10**k for k in 0..18."""


def scale_of(number: Decimal) -> int:
    """Return how many decimal places `number` needs: 0.01000 needs 2, 100 needs 0."""
    try:
        exponent = number.normalize(EXACT).as_tuple().exponent
    except ArithmeticError:
        raise ScaleOverflowError(f"{number} has too many digits") from None
    if not isinstance(exponent, int):
        raise ProtocolError(f"{number} is not a finite number")
    return max(0, -exponent)


def plain(number: Decimal) -> Decimal:
    """Return the same number without trailing zeros and without an exponent: 1E+2 becomes 100."""
    number = number.normalize(EXACT)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return number.quantize(Decimal(1), context=EXACT)
    return number


def to_scaled(number: Decimal, scale: int) -> int:
    """Return `number` x 10**`scale`. Raises ScaleOverflowError where that loses or overflows."""
    if number and number.adjusted() + scale > 18:
        raise ScaleOverflowError(f"{number} at scale {scale} does not fit 64 bits")
    try:
        shifted = number.scaleb(scale, EXACT)
    except ArithmeticError:
        raise ScaleOverflowError(f"{number} has too many digits") from None
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
    if places and _all_have_point_at(texts, -places - 1):
        written = " ".join(texts)
        digits = written.replace(".", "")
        one_point_each = len(written) - len(digits) == len(texts)
        short = max(map(len, texts)) <= _MOST_DIGITS + 1
        if one_point_each and short and digits.isascii() and digits.replace(" ", "").isdigit():
            values = np.fromstring(digits, np.int64, sep=" ")
            if len(values) == len(texts):
                return values, places
    return _parse_slowly(texts)


def _all_have_point_at(texts: Sequence[str], place: int) -> bool:
    try:
        return set(map(itemgetter(place), texts)) == {"."}
    except IndexError:
        return False


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
    factor: Ints = np.asarray(POWERS[np.asarray(new) - np.asarray(old)])
    if len(values) and np.any(np.abs(values) > INT64_MAX // factor):
        raise ScaleOverflowError(f"a value does not fit 64 bits at scale {np.max(new)}")
    scaled: Ints = values * factor
    return scaled


def _places(values: Ints, scale: int) -> Ints:
    """Return how many decimal places each of `values` at `scale` needs; none of them is 0."""
    needed = np.full(len(values), scale, np.int64)
    while np.any(spare := (needed > 0) & (values % 10 == 0)):
        values = np.where(spare, values // 10, values)
        needed -= spare
    return needed


def fit(values: Ints, scale: int, index: Ints, scales: Ints) -> tuple[Ints, Ints]:
    """Return `values` (all at `scale`) at their instruments' own scales, and those scales.

    `index` says for each value which of `scales` is its instrument's. A value that needs more decimal
    places than its instrument has makes the instrument's scale grow: nothing is ever rounded.
    Raises ScaleOverflowError where a value does not fit 64 bits.
    """
    wanted = scales[index]
    if np.any(wanted > scale):
        # Each to its own: what one instrument needs must not overflow another's.
        values = rescale(values, scale, np.maximum(wanted, scale))
    spare = np.maximum(scale - wanted, 0)
    whole, rest = np.divmod(values, POWERS[spare])
    if not rest.any():
        return whole, scales
    grown = scales.copy()
    rows = np.flatnonzero(rest)
    np.maximum.at(grown, index[rows], _places(values[rows], scale))
    return values // POWERS[np.maximum(scale - grown[index], 0)], grown
