"""Growing, jittered delays between attempts."""

from __future__ import annotations

import random


class Backoff:
    """Delays that double from `first` to `most` seconds, each shortened by up to half at random.

    The jitter keeps a crowd that lost the same peer from coming back at the same moment.
    """

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._attempts = 0

    def next(self) -> float:
        """Return the delay before the next attempt."""
        delay = min(self._most, self._first * 2.0 ** min(self._attempts, 30))
        self._attempts += 1
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """Start again from the shortest delay: the last attempt worked."""
        self._attempts = 0
