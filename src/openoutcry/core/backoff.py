"""Growing delays between attempts, jittered unless told otherwise."""

from __future__ import annotations

import random


class Backoff:
    """Delays that double from `first` to `most` seconds, each shortened at random.

    Up to the share `jitter` is taken off: it keeps a crowd that lost the same peer from coming back
    at the same moment.
    """

    def __init__(self, first: float, most: float, *, jitter: float = 0.5) -> None:
        self._first = first
        self._most = most
        self._jitter = jitter
        self._attempts = 0

    def next(self) -> float:
        """Return the delay before the next attempt."""
        delay = min(self._most, self._first * 2.0 ** min(self._attempts, 30))
        self._attempts += 1
        return delay * random.uniform(1.0 - self._jitter, 1.0)  # noqa: S311 - not a secret

    def reset(self) -> None:
        """Start again from the shortest delay: the last attempt worked."""
        self._attempts = 0
