"""The system's status, collected at most once a second however many ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from openoutcry.services.status import SystemStatus


class StatusCache:
    """What `collect` returned last, for `ttl` seconds; callers that come together share a call."""

    def __init__(self, collect: Callable[[], Awaitable[SystemStatus]], ttl: float = 1.0) -> None:
        self._collect = collect
        self._ttl = ttl
        self._lock = asyncio.Lock()
        self._status: SystemStatus | None = None
        self._read_at = 0.0

    async def get(self) -> SystemStatus:
        """Return the status, at most `ttl` seconds old."""
        async with self._lock:
            if self._status is None or time.monotonic() - self._read_at >= self._ttl:
                self._status = await self._collect()
                self._read_at = time.monotonic()
            return self._status
