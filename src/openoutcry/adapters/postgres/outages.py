"""What the driver raises when PostgreSQL goes away, or has just been away."""

from __future__ import annotations

from typing import Final

import asyncpg

OUTAGES: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # A connection that is cut in the middle of a COPY or a query gets into states of its own.
    asyncpg.InternalClientError,
)
"""Errors after which a connection is to be thrown away and the work done again on a new one."""
