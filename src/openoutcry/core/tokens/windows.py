"""Rolling windows, exact at any moment: a stored sum, and the trades by which it is off."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

_SECOND: Final = 1_000_000


def second_of(now: int) -> int:
    """Return the beginning of the second that `now` (µs) is in."""
    return now - now % _SECOND


def last_of(second: int) -> int:
    """Return the last moment (µs) of a second.

    Blocks are dated in whole seconds, so that what is exact then was so all through it. Windows that are
    moved on while it lasts are not past it.
    """
    return second + _SECOND - 1


class Slip(Struct, frozen=True):
    """Trades in (after, until] (µs) are to be added `sign` times to the stored sum of a window."""

    after: int
    until: int
    sign: int


def slip(through: int, now: int, length: int) -> Slip:
    """Return by what the sum of all trades after `through` differs from the window at `now`.

    A window holds what happened after `now - length`; at exactly that age a trade has left it. What the
    chain dates later than `now` counts as well: it has happened. A reader whose clock is behind
    that of the writer needs trades back that have left already.
    """
    cut = now - length
    return Slip(through, cut, -1) if cut >= through else Slip(cut, through, 1)
