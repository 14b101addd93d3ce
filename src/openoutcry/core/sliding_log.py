"""At most so many in any window of time: an exact log of what was let through. Pure.

Not a bucket that fills again, which lets nearly twice as many through in a window that begins at the
right moment, and not a counter of calendar minutes, which does so around each full one. The log knows
when each permit was given, and a permit counts until exactly one window later. So the one that comes
`most` places after another is never given less than a window after it, wherever a window is laid.
`adapters.valkey.shared_logs` does the same sum inside Valkey.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct


class Rule(Struct, frozen=True):
    """At most `most` in any `window` (µs)."""

    most: int
    window: int


class Taken(Struct, frozen=True, gc=False):
    """How many permits were granted, how many are left, and when the oldest comes back (in µs).

    `wait` is 0 when none is out. Where `left` is 0 it is the time until the next request can succeed.
    """

    granted: int
    left: int
    wait: int


class SlidingLog:
    """The permits of one client that still count, each with its time (µs of any clock)."""

    __slots__ = ("_entries", "_total")

    def __init__(self) -> None:
        self._entries: deque[tuple[int, int]] = deque()
        self._total = 0

    def take(self, now: int, wanted: int, rule: Rule) -> Taken:
        """Grant as many of the `wanted` as there are; what is refused does not count.

        If the clock went back, everything in the log counts from now on: a client waits for one
        window at the most, and nobody gets a permit too early.
        """
        entries = self._entries
        if entries and entries[-1][0] > now:
            entries.clear()
            entries.append((now, self._total))
        over = now - rule.window
        while entries and entries[0][0] <= over:
            self._total -= entries.popleft()[1]
        granted = max(0, min(wanted, rule.most - self._total))
        if granted:
            entries.append((now, granted))
            self._total += granted
        wait = entries[0][0] - over if entries else 0
        return Taken(granted, max(0, rule.most - self._total), wait)
