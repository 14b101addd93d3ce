"""Read the newest candles and trades, with what is known of their completeness."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import asyncpg

from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.times import from_us
from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.intervals import BASES
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import Candle, Side, Trade

INSTRUMENT: Final = "SELECT id FROM instruments WHERE venue = $1 AND symbol = $2"

CANDLES: Final = """
SELECT (extract(epoch FROM bucket) * 1000000)::bigint AS bucket, open, high, low, close, volume,
       quote_volume, trades, taker_buy_volume, taker_buy_quote_volume
FROM candles_{base}
WHERE instrument_id = $1 AND bucket >= $2 AND ($3::timestamptz IS NULL OR bucket < $3)
ORDER BY bucket
"""

SPANS: Final = """
SELECT 0 AS base, (extract(epoch FROM first_time) * 1000000)::bigint AS start_us,
       (extract(epoch FROM heard_until) * 1000000)::bigint AS end_us
FROM watermarks WHERE instrument_id = $1
UNION ALL
SELECT base, (extract(epoch FROM from_time) * 1000000)::bigint,
       (extract(epoch FROM to_time) * 1000000)::bigint
FROM coverage WHERE instrument_id = $1 AND to_time >= $2
"""

GAPS: Final = """
SELECT (extract(epoch FROM from_time) * 1000000)::bigint AS start_us,
       (extract(epoch FROM to_time) * 1000000)::bigint AS end_us
FROM gaps WHERE instrument_id = $1 AND state = 'suspected' AND to_time >= $2
ORDER BY from_time
"""

TRADES: Final = """
SELECT trade_id, price, size, side, (extract(epoch FROM venue_time) * 1000000)::bigint AS time,
       (extract(epoch FROM received_time) * 1000000)::bigint AS received
FROM trades WHERE instrument_id = $1 AND venue_time >= $2
ORDER BY trade_id DESC LIMIT $3
"""

T = TypeVar("T")

_QUERIES: Final = {base.name: CANDLES.format(base=base.name) for base in BASES}


class RecentReader:
    """The hub's snapshots, from a pool of connections, for the instruments of one venue.

    A symbol that the store does not know yet has no rows. Raises StoreUnavailableError when
    PostgreSQL cannot be asked.
    """

    def __init__(self, pool: asyncpg.Pool, venue: str) -> None:
        self._pool = pool
        self._venue = venue
        self._ids: dict[str, int] = {}

    async def recent(
        self, symbol: str, base: str, start_us: int, end_us: int | None = None
    ) -> tuple[list[Candle], Coverage]:
        """Return the stored candles of `base` in start..end (end exclusive; None: all), ascending.

        Rows and coverage are of one moment.
        """
        return await _ask(self._recent(symbol, base, start_us, end_us))

    async def newest_trades(self, symbol: str, since_us: int, count: int) -> list[Trade]:
        """Return the newest `count` trades since `since_us`, by ascending id."""
        return await _ask(self._newest_trades(symbol, since_us, count))

    async def _recent(
        self, symbol: str, base: str, start_us: int, end_us: int | None
    ) -> tuple[list[Candle], Coverage]:
        start = from_us(start_us)
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            instrument = await self._instrument(connection, symbol)
            if instrument is None:
                return [], Coverage()
            end = None if end_us is None else from_us(end_us)
            rows = await connection.fetch(_QUERIES[base], instrument, start, end)
            spans = await connection.fetch(SPANS, instrument, start)
            gaps = await connection.fetch(GAPS, instrument, start)
        coverage = Coverage(
            spans=tuple(Span(*span) for span in spans),
            gaps=tuple((low, high) for low, high in gaps),
        )
        return [Candle(*row) for row in rows], coverage

    async def _newest_trades(self, symbol: str, since_us: int, count: int) -> list[Trade]:
        async with self._pool.acquire() as connection:
            instrument = await self._instrument(connection, symbol)
            if instrument is None:
                return []
            rows = await connection.fetch(TRADES, instrument, from_us(since_us), count)
        return [
            Trade(
                venue=self._venue,
                symbol=symbol,
                trade_id=row["trade_id"],
                price=row["price"],
                size=row["size"],
                side=Side.BUY if row["side"] > 0 else Side.SELL,
                venue_time=row["time"],
                received_time=row["received"],
            )
            for row in reversed(rows)
        ]

    async def _instrument(self, connection: Any, symbol: str) -> int | None:
        if symbol not in self._ids:
            found = await connection.fetchval(INSTRUMENT, self._venue, symbol)
            if found is None:
                return None
            self._ids[symbol] = found
        return self._ids[symbol]


async def _ask(question: Awaitable[T]) -> T:
    try:
        return await question
    except OUTAGES as error:
        raise StoreUnavailableError(f"PostgreSQL: {error}") from error
