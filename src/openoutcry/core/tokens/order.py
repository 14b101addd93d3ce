"""Where on the chain something happened, as one number; and what a trade cost for a whole token."""

from __future__ import annotations

from typing import Final

from openoutcry.tokens import PRICE_UNIT, WEI

_BITS: Final = 20
LOGS: Final = 1 << _BITS
"""More logs than fit a block: at the 375 gas that the cheapest takes, a block would need 393 M gas."""


def position(number: int, index: int) -> int:
    """Return the place of log `index` of block `number`: larger is later. Raises OverflowError."""
    if not 0 <= index < LOGS:
        raise OverflowError(f"log index {index} is not below {LOGS}")
    return number << _BITS | index


def block_of(place: int) -> int:
    """Return the number of the block of a position."""
    return place >> _BITS


def index_of(place: int) -> int:
    """Return the log index of a position."""
    return place & (LOGS - 1)


def trade_price(eth: int, tokens: int, decimals: int = 18) -> int:
    """Return what a whole token cost in a trade, in ether scaled by PRICE_UNIT, rounded down.

    `eth` is in wei, `tokens` in the token's smallest unit; a trade of none has no price: 0.
    """
    unit: int = 10**decimals
    return eth * (PRICE_UNIT // WEI) * unit // tokens if tokens else 0


def market_cap(price: int, supply: int, decimals: int = 18) -> int:
    """Return price (scaled by PRICE_UNIT) times supply (smallest units), in wei, rounded down."""
    unit: int = 10**decimals
    return price * supply * WEI // (PRICE_UNIT * unit)


def progress(reserve: int, target: int) -> int:
    """Return how much of `target` has been raised, in hundredths of a percent, at most 10,000."""
    return min(10_000, reserve * 10_000 // target) if target > 0 else 0
