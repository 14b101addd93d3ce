"""Arithmetic with money: exact, and where a division is needed, to twelve decimals on purpose."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation, Overflow, localcontext
from typing import Final

from openoutcry.core.scales import EXACT

PLACES: Final = Decimal("1E-12")
"""What a division leaves below this stays where it came from, so that sums remain exact."""

HUNDRED: Final = Decimal(100)

_FLOOR: Final = Context(prec=EXACT.prec, rounding=ROUND_FLOOR, traps=[InvalidOperation, Overflow])


def exact() -> AbstractContextManager[Context]:
    """Make the operators of `Decimal` exact: they raise ArithmeticError rather than round."""
    return localcontext(EXACT)


def share_down(amount: Decimal, divisor: Decimal, places: Decimal = PLACES) -> Decimal:
    """Return amount / divisor, rounded down to `places`."""
    return _FLOOR.quantize(_FLOOR.divide(amount, divisor), places)


def share_up(amount: Decimal, divisor: Decimal) -> Decimal:
    """Return amount / divisor, rounded up to PLACES."""
    return -share_down(-amount, divisor)


def to_step(amount: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` that is not above `amount` (>= 0)."""
    return EXACT.multiply(EXACT.divide_int(amount, step), step)


def is_multiple(amount: Decimal, step: Decimal) -> bool:
    """Return whether `amount` is a whole number of steps."""
    return EXACT.remainder(amount, step) == 0


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """Return `percent` % of `amount`, exact."""
    return EXACT.multiply(amount, percent.scaleb(-2, EXACT))
