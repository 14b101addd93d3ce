"""What time it is on the market: the wall clock's, or a replay's own."""

from __future__ import annotations

import time
from typing import Final

from openoutcry.adapters.postgres.pool import Pool, fetch_value
from openoutcry.core.intervals import SECOND

_NEWEST: Final = "SELECT max(GREATEST(last_time, heard_until)) FROM watermarks"
_AHEAD: Final = 5 * SECOND
_READ_SECONDS: Final = 0.25


class MarketTime:
    """The market's time in µs.

    Live it is the wall clock's, or a little later if the venue's clock is ahead of ours. In a replay
    it is the newest time heard, which lies in another year than the wall clock's.
    """

    def __init__(self, *, replay: bool) -> None:
        self._replay = replay
        self._heard = 0
        self._read_at = float("-inf")

    def now(self) -> int:
        """Return the time; nothing later has happened."""
        if self._replay:
            return self._heard
        wall = time.time_ns() // 1000
        return max(wall, min(self._heard, wall + _AHEAD))

    def hear(self, venue_time: int) -> None:
        """Note that the market had come to `venue_time` (µs)."""
        self._heard = max(self._heard, venue_time)

    async def refresh(self, pool: Pool) -> None:
        """In a replay, hear the newest time in the store. Raises StoreUnavailableError."""
        if self._replay and time.monotonic() - self._read_at > _READ_SECONDS:
            self._read_at = time.monotonic()
            self.hear(await fetch_value(pool, _NEWEST) or 0)
