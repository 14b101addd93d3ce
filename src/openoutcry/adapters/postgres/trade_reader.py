"""Read stored trades: by id, by time, the newest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import asyncpg

from openoutcry.adapters.postgres import trade_sql
from openoutcry.adapters.postgres.pool import Pool, Source, fetch, fetch_value
from openoutcry.core.intervals import DAY, MINUTE
from openoutcry.venues.binance_server_data import Print

EVER: Final = 300 * 365 * DAY
"""A time (µs) after all others."""
LAST: Final = 2**63 - 1
"""An id after all others."""
_SETTLING: Final = 2 * MINUTE


class TradeReader:
    """Trades of the store, in the order of their ids, those of the past by way of `history`.

    Times in µs. Every method may raise StoreUnavailableError.
    """

    def __init__(self, pool: Pool, history: Source | None = None) -> None:
        self._pool = pool
        self._history = history or pool

    async def locate(self, instrument: int, trade_id: int) -> int | None:
        """Return a time before which no trade has `trade_id` or a later id; None: no trade at all.

        At most half a minute too early.
        """
        found: int | None = await fetch_value(
            self._pool, trade_sql.LOCATE, instrument, min(trade_id, LAST)
        )
        return found

    async def forward(
        self, instrument: int, start: int, end: int, from_id: int, limit: int
    ) -> list[Print]:
        """Return the oldest trades of start..end (end exclusive) with ids from `from_id` on."""
        args = (instrument, start, end, min(from_id, LAST), limit)
        rows = await fetch(self._of(end), trade_sql.FORWARD, *args)
        return [_print(row) for row in rows]

    async def backward(self, instrument: int, end: int, before_id: int, limit: int) -> list[Print]:
        """Return the newest trades before `end` with ids below `before_id`, oldest first."""
        args = (instrument, 0, end, before_id, limit)
        rows = await fetch(self._of(end), trade_sql.BACKWARD, *args)
        return [_print(row) for row in reversed(rows)]

    async def newest(self, instruments: Sequence[int]) -> dict[int, Print]:
        """Return the newest trade of each instrument that has one, in one statement."""
        rows = await fetch(self._pool, trade_sql.NEWEST, list(instruments))
        return {row["id"]: _print(row) for row in rows}

    def _of(self, end: int) -> Source:
        """Return who is asked for what ends at `end`: what was just written is with the primary."""
        return self._history if end < time.time_ns() // 1000 - _SETTLING else self._pool


def _print(row: asyncpg.Record) -> Print:
    return Print(row["trade_id"], row["price"], row["size"], row["venue_time"], row["side"] > 0)
