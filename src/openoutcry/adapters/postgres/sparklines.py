"""The last day of hourly closes of every market that is recorded, for pictures of them."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from openoutcry.adapters.postgres.pool import Pool, fetch
from openoutcry.core.intervals import HOUR
from openoutcry.core.markets import sparkline_of

# Each market by its own newest candle: a replayed one is in another year than the clock.
_CLOSES: Final = """
SELECT i.symbol, c.bucket AS bucket, c.close::float8 AS close
FROM instruments i CROSS JOIN LATERAL (
    SELECT bucket, close FROM candles_1h WHERE instrument_id = i.id ORDER BY bucket DESC LIMIT 24
) c
"""


class Sparklines:
    """Sparklines from memory, read again when they are older than `ttl` seconds."""

    def __init__(self, pool: Pool, ttl: float = 60.0) -> None:
        self._pool = pool
        self._ttl = ttl
        self._read_at = float("-inf")
        self._lines: dict[str, list[float]] = {}
        self._lock = asyncio.Lock()

    async def all(self) -> dict[str, list[float]]:
        """Return the lines by symbol. Raises StoreUnavailableError."""
        async with self._lock:
            if time.monotonic() - self._read_at >= self._ttl:
                closes: dict[str, dict[int, float]] = {}
                for row in await fetch(self._pool, _CLOSES):
                    closes.setdefault(row["symbol"], {})[row["bucket"] // HOUR] = row["close"]
                self._lines = {
                    symbol: line
                    for symbol, found in closes.items()
                    if (line := sparkline_of(found, max(found))) is not None
                }
                self._read_at = time.monotonic()
            return self._lines
