"""The public counter's figures as one API process has them: read at most once a second, by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.core.trade_stats import TradeStats
from openoutcry.errors import StoreUnavailableError

_log = structlog.get_logger(__name__)

FRESH: Final = 1.0
"""Seconds after which the figures are read again."""
_STALE: Final = 5.0
_WARN_EVERY: Final = 60.0


class KnownStats:
    """The figures last read. However many ask at once, they are read once.

    Figures older than a second are still given out while new ones are fetched; who finds them older
    than five waits. While Valkey is away, or has lost its memory and not yet been told again, the last
    good figures go on.
    """

    def __init__(self, counts: TradeCounts, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._known: TradeStats | None = None
        self._read_at = self._warned = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def ready(self) -> TradeStats | None:
        """Return the figures if nobody has to wait for them."""
        age = self._clock() - self._read_at
        if age >= FRESH:
            self._read()
        return self._known if age < _STALE else None

    async def get(self) -> TradeStats:
        """Return the figures. Raises StoreUnavailableError if there never were any."""
        known = self.ready()
        if known is None:
            await asyncio.shield(self._read())
            known = self._known
        if known is None:
            raise StoreUnavailableError("the public counter cannot be read")
        return known

    def _read(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._refresh())
        return self._reading

    async def _refresh(self) -> None:
        try:
            counted = await self._counts.read()
        except StoreUnavailableError as error:
            if self._clock() - self._warned >= _WARN_EVERY:
                self._warned = self._clock()
                _log.warning("the public counter cannot be read", reason=str(error))
            return
        finally:
            # An outage is asked about once a second too; until then everybody has the last figures.
            if self._known is not None:
                self._read_at = self._clock()
        if self._known is None or counted.changed is not None:
            self._known = counted.stats
            self._read_at = self._clock()
