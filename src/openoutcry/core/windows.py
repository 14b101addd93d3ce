"""Take a stretch of time apart into stored candles, as long as they fit, and trades at its edges."""

from __future__ import annotations

from msgspec import Struct

from openoutcry.core.intervals import BASES, Interval


class Piece(Struct, frozen=True):
    """The times `start`..`end` (µs, end exclusive), to be read from candles of `base`.

    None: from the trades themselves, as no stored candle is short enough.
    """

    base: Interval | None
    start: int
    end: int


def decompose(start: int, end: int) -> list[Piece]:
    """Return the pieces that together are start..end (µs, end exclusive), in the order of time.

    Each is as long as whole buckets allow, so that together they need the fewest rows: a stored
    length divides the next, hence what a longer candle can hold is never better in shorter ones.
    """
    head: list[Piece] = []
    tail: list[Piece] = []
    shorter: Interval | None = None
    for base in BASES:
        low = -(-start // base.length) * base.length
        high = end // base.length * base.length
        if low >= high:
            break
        if start < low:
            head.append(Piece(shorter, start, low))
        if high < end:
            tail.append(Piece(shorter, high, end))
        start, end, shorter = low, high, base
    middle = [Piece(shorter, start, end)] if start < end else []
    return head + middle + tail[::-1]
