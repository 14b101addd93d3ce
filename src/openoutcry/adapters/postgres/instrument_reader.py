"""The instruments that the store knows, and how a caller's word for one finds it."""

from __future__ import annotations

import time
from typing import Final

from openoutcry.adapters.postgres.pool import Pool, fetch
from openoutcry.model import Instrument

_INSTRUMENTS: Final = """
SELECT id, venue, symbol, base, quote, price_scale, size_scale
FROM instruments ORDER BY id
"""

# What `BTC` alone means where several markets trade it: the most usual quote first.
_QUOTES: Final = ("USDT", "USDC", "FDUSD", "USD", "EUR", "BTC")


class InstrumentReader:
    """Instruments from memory, read again when they are older than `ttl` seconds.

    A recorder adds an instrument now and then; nobody removes one.
    """

    def __init__(self, pool: Pool, ttl: float = 1.0) -> None:
        self._pool = pool
        self._ttl = ttl
        self._known: list[Instrument] = []
        self._read_at = float("-inf")

    async def all(self) -> list[Instrument]:
        """Return every instrument, oldest first. Raises StoreUnavailableError."""
        if not self._known or time.monotonic() - self._read_at > self._ttl:
            rows = await fetch(self._pool, _INSTRUMENTS)
            self._known = [Instrument(**dict(row)) for row in rows]
            self._read_at = time.monotonic()
        return self._known

    async def find(self, asset: str) -> Instrument | None:
        """Return the instrument called `asset`: a symbol (BTCUSDT) or a base (BTC), in any case."""
        return choose(await self.all(), asset)


def choose(instruments: list[Instrument], asset: str) -> Instrument | None:
    """Return the instrument that `asset` means, or None; a symbol goes before a base."""
    name = asset.strip().upper()
    for instrument in instruments:
        if instrument.symbol.upper() == name:
            return instrument
    markets = [instrument for instrument in instruments if instrument.base.upper() == name]
    return min(markets, key=_rank, default=None)


def _rank(instrument: Instrument) -> tuple[int, int]:
    quote = instrument.quote.upper()
    return (_QUOTES.index(quote) if quote in _QUOTES else len(_QUOTES), instrument.id)
