"""PostgreSQL's figures, read at most every so often however many ask, and kept while it is out."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from openoutcry.adapters.postgres.database_reader import DatabaseFigures, read_database
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.errors import StoreUnavailableError

FRESH: Final = 15.0
"""Seconds that figures are good for: a look at every table's files takes milliseconds."""

_PATIENCE: Final = 2.0

_log = structlog.get_logger(__name__)


class KnownFigures:
    """What was read last, for `fresh` seconds; those who ask together share a reading."""

    def __init__(self, pool: Pool, fresh: float = FRESH) -> None:
        self._pool = pool
        self._fresh = fresh
        self._lock = asyncio.Lock()
        self._known: DatabaseFigures | None = None
        self._read_at = float("-inf")

    async def get(self) -> DatabaseFigures:
        """Return figures. Raises StoreUnavailableError."""
        async with self._lock:
            if self._known is None or time.monotonic() - self._read_at >= self._fresh:
                self._known = await read_database(self._pool)
                self._read_at = time.monotonic()
            return self._known

    async def try_get(self) -> DatabaseFigures | None:
        """Return figures, None where they cannot be had within two seconds."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self.get()
        except (StoreUnavailableError, TimeoutError) as error:
            _log.warning("no figures of the database", reason=f"{type(error).__name__}: {error}")
            return None
