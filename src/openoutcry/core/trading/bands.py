"""Between which prices nothing can happen, so that most trades cost nothing."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from openoutcry.core.scales import EXACT, INT64_MAX

Ints = NDArray[np.int64]

_FIRST_LOOK: Final = 64
_MOST_LOOK: Final = 1 << 15


class Band(Struct, frozen=True):
    """When a strategy, an order or a loan next wants to be asked; None: never for that reason.

    `ask_at_most`: when the ask falls to it or lower; `ask_below`: when it falls lower; the others
    likewise. `until`: from that venue time (µs) on. `always`: at the next trade, whatever it is.
    """

    ask_at_most: Decimal | None = None
    ask_below: Decimal | None = None
    ask_at_least: Decimal | None = None
    bid_at_most: Decimal | None = None
    bid_above: Decimal | None = None
    bid_at_least: Decimal | None = None
    until: int | None = None
    always: bool = False


ALWAYS: Final = Band(always=True)
NEVER: Final = Band()


class Quiet(Struct, frozen=True):
    """Trades with low <= price <= high (scaled) before `until` (µs) change nothing."""

    low: int = 0
    high: int = INT64_MAX
    until: int = INT64_MAX

    def holds(self, lowest: int, highest: int, newest: int) -> bool:
        """Return whether trades between these prices, up to the time `newest`, change nothing."""
        return self.low <= lowest and highest <= self.high and newest < self.until

    def first_outside(self, prices: Ints, times: Ints, start: int) -> int:
        """Return the index of the first trade from `start` on that may change something, or -1."""
        if self.low > self.high:
            return start if start < len(prices) else -1
        look = _FIRST_LOOK
        while start < len(prices):
            stop = start + look
            part = prices[start:stop]
            outside = (part < self.low) | (part > self.high)
            if self.until < INT64_MAX:
                outside |= times[start:stop] >= self.until
            at = int(outside.argmax())
            if outside[at]:
                return start + at
            start, look = stop, min(look * 4, _MOST_LOOK)
        return -1


EVERYTHING: Final = Quiet(low=1, high=0, until=0)
"""No trade is known to change nothing."""


class Scale(Struct, frozen=True):
    """How trade prices of one symbol are scaled, and how far bid and ask are from them."""

    places: int
    spread: Decimal

    def quiet(self, band: Band) -> Quiet:
        """Return the scaled trade prices at which nothing that `band` names is reached. Exact."""
        if band.always:
            return EVERYTHING
        low, high = 0, INT64_MAX
        over, under = 1 + self.spread, 1 - self.spread
        for limit, factor in ((band.ask_at_most, over), (band.bid_at_most, under)):
            if limit is not None:
                low = max(low, self._floor(limit, factor) + 1)
        if band.ask_below is not None:
            low = max(low, self._ceil(band.ask_below, over))
        for limit, factor in ((band.ask_at_least, over), (band.bid_at_least, under)):
            if limit is not None:
                high = min(high, self._ceil(limit, factor) - 1)
        if band.bid_above is not None:
            high = min(high, self._floor(band.bid_above, under))
        return Quiet(low, high, INT64_MAX if band.until is None else band.until)

    def _floor(self, limit: Decimal, factor: Decimal) -> int:
        return int(EXACT.divide_int(limit.scaleb(self.places, EXACT), factor))

    def _ceil(self, limit: Decimal, factor: Decimal) -> int:
        scaled = limit.scaleb(self.places, EXACT)
        whole = EXACT.divide_int(scaled, factor)
        return int(whole) + (1 if EXACT.multiply(whole, factor) != scaled else 0)


def together(bands: Iterable[Quiet]) -> Quiet:
    """Return what is quiet for all of them."""
    low, high, until = 0, INT64_MAX, INT64_MAX
    for band in bands:
        low = max(low, band.low)
        high = min(high, band.high)
        until = min(until, band.until)
    return Quiet(low, high, until)
