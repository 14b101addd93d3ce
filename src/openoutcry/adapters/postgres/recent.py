"""Read the newest candles and trades, with what is known of their completeness."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from openoutcry.adapters.postgres import candle_sql
from openoutcry.adapters.postgres.coverage_rows import read_coverage
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.adapters.postgres.window_reader import read_windows
from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import DAY, INTERVALS
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import Candle, Side, Trade
from openoutcry.venues.binance_server_data import Bar, Print

INSTRUMENT: Final = "SELECT id FROM instruments WHERE venue = $1 AND symbol = $2"
INSTRUMENTS: Final = "SELECT symbol, id FROM instruments WHERE venue = $1 AND symbol = ANY ($2)"

TRADES: Final = """
SELECT trade_id, price, size, side, venue_time AS time, received_time AS received
FROM trades WHERE instrument_id = $1 AND venue_time >= $2
ORDER BY trade_id DESC LIMIT $3
"""

BETWEEN: Final = """
SELECT trade_id, price, size, side, venue_time AS time, received_time AS received
FROM trades
WHERE instrument_id = $1 AND trade_id BETWEEN $2 AND $3 AND venue_time BETWEEN $4 AND $5
ORDER BY trade_id
"""

T = TypeVar("T")

_CENTURY: Final = 100 * 365 * DAY


class RecentReader:
    """The hub's snapshots, from a pool by `open_pool`, for the instruments of one venue.

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

    async def trades_between(
        self, symbol: str, first: int, last: int, since_us: int, until_us: int
    ) -> list[Trade]:
        """Return the trades with the ids first..last made in since..until, by ascending id."""
        return await _ask(self._between(symbol, first, last, since_us, until_us))

    async def newest(self, symbols: Sequence[str]) -> dict[str, Print]:
        """Return the newest trade of each symbol that ever had one."""
        ids = await _ask(self._instruments(symbols))
        found = await TradeReader(self._pool).newest(list(ids.values()))
        return {symbol: found[id_] for symbol, id_ in ids.items() if id_ in found}

    async def windows(self, symbols: Sequence[str], start_us: int, end_us: int) -> dict[str, Bar]:
        """Return by symbol the bar of all trades in start..end (end exclusive), in one question.

        A symbol that never had a trade is left out.
        """
        ids = await _ask(self._instruments(symbols))
        found = await read_windows(self._pool, list(ids.values()), start_us, end_us)
        return {symbol: found[id_] for symbol, id_ in ids.items() if id_ in found}

    async def _recent(
        self, symbol: str, base: str, start_us: int, end_us: int | None
    ) -> tuple[list[Candle], Coverage]:
        end = start_us + _CENTURY if end_us is None else end_us
        sql = candle_sql.stored_with_ids(INTERVALS[base])
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            instrument = await self._instrument(connection, symbol)
            if instrument is None:
                return [], Coverage()
            rows = await connection.fetch(sql, instrument, start_us, end, None)
            coverage = await read_coverage(connection, instrument, start_us)
        return [Candle(*row) for row in rows], coverage

    async def _newest_trades(self, symbol: str, since_us: int, count: int) -> list[Trade]:
        async with self._pool.acquire() as connection:
            instrument = await self._instrument(connection, symbol)
            if instrument is None:
                return []
            rows = await connection.fetch(TRADES, instrument, since_us, count)
        return [self._trade(symbol, row) for row in reversed(rows)]

    async def _between(
        self, symbol: str, first: int, last: int, since_us: int, until_us: int
    ) -> list[Trade]:
        async with self._pool.acquire() as connection:
            instrument = await self._instrument(connection, symbol)
            if instrument is None:
                return []
            rows = await connection.fetch(BETWEEN, instrument, first, last, since_us, until_us)
        return [self._trade(symbol, row) for row in rows]

    def _trade(self, symbol: str, row: Any) -> Trade:
        return Trade(
            venue=self._venue,
            symbol=symbol,
            trade_id=row["trade_id"],
            price=row["price"],
            size=row["size"],
            side=Side.BUY if row["side"] > 0 else Side.SELL,
            venue_time=row["time"],
            received_time=row["received"],
        )

    async def _instruments(self, symbols: Sequence[str]) -> dict[str, int]:
        if unknown := [symbol for symbol in symbols if symbol not in self._ids]:
            async with self._pool.acquire() as connection:
                rows = await connection.fetch(INSTRUMENTS, self._venue, unknown)
            self._ids |= {row["symbol"]: row["id"] for row in rows}
        return {symbol: self._ids[symbol] for symbol in symbols if symbol in self._ids}

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
