"""Amounts of a chain as people write them: whole units with a point, exact to the last digit."""

from __future__ import annotations

from typing import Final

from openoutcry.tokens import PRICE_UNIT, WEI

_WEI_DIGITS: Final = len(str(WEI)) - 1
_PRICE_DIGITS: Final = len(str(PRICE_UNIT)) - 1


def text(amount: int, decimals: int) -> str:
    """Return `amount` * 10**-`decimals` without exponent and trailing zeros: 1500, 3 -> 1.5."""
    if not decimals:
        return str(amount)
    sign = "-" if amount < 0 else ""
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    fraction = digits[-decimals:].rstrip("0")
    whole = digits[:-decimals]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def ether(wei: int) -> str:
    """Return wei as ether."""
    return text(wei, _WEI_DIGITS)


def price(scaled: int) -> str:
    """Return a price (scaled by PRICE_UNIT) as ether for a whole token."""
    return text(scaled, _PRICE_DIGITS)


def percent(part: int, whole: int, digits: int = 2) -> float | None:
    """Return `part` of `whole` in percent, rounded down to so many digits; None of nothing."""
    unit: int = 10**digits
    return part * 100 * unit // whole / unit if whole > 0 else None
