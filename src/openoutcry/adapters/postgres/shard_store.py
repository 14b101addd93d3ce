"""The store as a recorder sees it: one connection that owns a shard and commits batches to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import numpy as np

from openoutcry.adapters.postgres import copy_format
from openoutcry.adapters.postgres.ledger_rows import load_ledgers, write_changes
from openoutcry.adapters.postgres.seal import renew, seal
from openoutcry.adapters.postgres.times import from_us
from openoutcry.core.batch import Recorded, row_scales
from openoutcry.core.candles import CandleColumns
from openoutcry.core.frames import Table
from openoutcry.core.intervals import BASES, DAY
from openoutcry.core.ledger import Ledger
from openoutcry.errors import LostOwnershipError
from openoutcry.model import Instrument

SHARD_LOCKS: Final = 7_381_502
"""First key of the advisory locks that shards are owned by; the second is the shard."""

_BASE_KEYS: Final = {base.name: at for at, base in enumerate(BASES)}

_DELTA_TABLE: Final = """
CREATE TEMP TABLE IF NOT EXISTS candle_delta (
    base smallint, instrument_id int, bucket timestamptz,
    open numeric, high numeric, low numeric, close numeric,
    volume numeric, quote_volume numeric, trades bigint,
    taker_buy_volume numeric, taker_buy_quote_volume numeric,
    first_trade_id bigint, last_trade_id bigint
) ON COMMIT DELETE ROWS
"""

# TimescaleDB gives a statement up that unpacks more than 100,000 rows of compressed chunks. A batch of
# late trades that touches many days may need more, and it would be refused for ever. A server without
# the setting has no such row.
_NO_LIMIT: Final = """
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'
"""

_COLUMNS: Final = (
    "instrument_id, bucket, open, high, low, close, volume, quote_volume, trades,"
    " taker_buy_volume, taker_buy_quote_volume, first_trade_id, last_trade_id"
)

# Sums add up, extremes stay extreme, and open and close follow the trade ids: so late, repeated and
# shuffled batches end in the same rows as ordered ones.
_UPSERT: Final = """
INSERT INTO candles_{base} AS c ({columns})
SELECT {columns} FROM candle_delta WHERE base = {key}
ON CONFLICT (instrument_id, bucket) DO UPDATE SET
    open  = CASE WHEN excluded.first_trade_id < c.first_trade_id THEN excluded.open ELSE c.open END,
    high  = GREATEST(c.high, excluded.high),
    low   = LEAST(c.low, excluded.low),
    close = CASE WHEN excluded.last_trade_id > c.last_trade_id THEN excluded.close ELSE c.close END,
    volume = c.volume + excluded.volume,
    quote_volume = c.quote_volume + excluded.quote_volume,
    trades = c.trades + excluded.trades,
    taker_buy_volume = c.taker_buy_volume + excluded.taker_buy_volume,
    taker_buy_quote_volume = c.taker_buy_quote_volume + excluded.taker_buy_quote_volume,
    first_trade_id = LEAST(c.first_trade_id, excluded.first_trade_id),
    last_trade_id = GREATEST(c.last_trade_id, excluded.last_trade_id)
"""

_UPSERT_ALL: Final = (
    "WITH "
    + ", ".join(
        f"upsert_{name} AS ({_UPSERT.format(base=name, columns=_COLUMNS, key=key)})"
        for name, key in _BASE_KEYS.items()
    )
    + " SELECT 1"
)

_POSITION: Final = """
INSERT INTO stream_positions (stream, entry_id, trades, updated_at) VALUES ($1, $2, $3, now())
ON CONFLICT (stream) DO UPDATE
SET entry_id = $2, trades = stream_positions.trades + $3, updated_at = now()
"""

_GROW_SCALES: Final = """
UPDATE instruments AS i
SET price_scale = GREATEST(i.price_scale, s.price), size_scale = GREATEST(i.size_scale, s.size)
FROM unnest($1::int[], $2::int[], $3::int[]) AS s (id, price, size)
WHERE i.id = s.id AND (i.price_scale < s.price OR i.size_scale < s.size)
"""

_INSTRUMENTS: Final = """
SELECT id, venue, symbol, base, quote, price_scale, size_scale FROM instruments
"""


class ShardStore:
    """Commits a shard's batches. Only one holder of a shard exists at a time (advisory lock).

    The lock lives and dies with the connection that also writes, so a recorder that lost its shard
    cannot commit: watermarks never race.
    """

    def __init__(self, connection: asyncpg.Connection[Any], shard: int) -> None:
        self._connection = connection
        self._days: set[tuple[str, int]] = set()
        self.shard = shard

    @classmethod
    async def own(cls, connection: asyncpg.Connection[Any], shard: int) -> ShardStore | None:
        """Return the store of `shard` if nobody else owns it, else None."""
        owned = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", SHARD_LOCKS, shard)
        if not owned:
            return None
        await connection.execute(_DELTA_TABLE)
        await connection.execute(_NO_LIMIT)
        return cls(connection, shard)

    def still_owned(self) -> None:
        """Raise LostOwnershipError if the connection, and the shard with it, is gone."""
        if self._connection.is_closed():
            raise LostOwnershipError(f"the connection that owned shard {self.shard} is closed")

    async def instruments(self) -> dict[int, Instrument]:
        """Return every known instrument by its id."""
        rows = await self._connection.fetch(_INSTRUMENTS)
        return {row["id"]: Instrument(**dict(row)) for row in rows}

    async def ledgers(self) -> dict[int, Ledger]:
        """Return the ledgers of every instrument that has one, as last committed."""
        return await load_ledgers(self._connection)

    async def commit(self, recorded: Recorded, stream: str, entry_id: str) -> None:
        """Write trades, candles, ledgers and the stream position in one transaction.

        When it returns, everything is durable; when it raises, nothing was written.
        """
        self.still_owned()
        try:
            await self._write(recorded, stream, entry_id)
        except asyncpg.CheckViolationError:
            # Retention has dropped a partition that we made; the trades are not at fault.
            self._days.clear()
            await self._write(recorded, stream, entry_id)

    async def _write(self, recorded: Recorded, stream: str, entry_id: str) -> None:
        connection = self._connection
        trades, deltas = recorded.trades, recorded.deltas
        payload = _encode_trades(trades, recorded.scales) if len(trades) else b""
        delta_payload = _encode_deltas(deltas, recorded.scales) if deltas else b""
        async with connection.transaction():
            if payload:
                await self._make_room(trades)
                await _copy(connection, "trades", payload)
                await self._grow_scales(recorded.scales)
            if delta_payload:
                await _copy(connection, "candle_delta", delta_payload)
                await connection.fetchval(_UPSERT_ALL)
            for klines in recorded.klines:
                if klines.base == "1s":
                    days = {candle.bucket // DAY for candle in klines.candles}
                    await self._days_exist("candles_1s", days)
                await seal(connection, klines)
            await renew(connection, recorded.renewals)
            await write_changes(connection, recorded.changes)
            await connection.execute(_POSITION, stream, entry_id, len(trades))

    async def close(self) -> None:
        """Give the shard up."""
        await self._connection.close(timeout=2)

    async def _grow_scales(self, scales: Table) -> None:
        await self._connection.execute(
            _GROW_SCALES,
            scales["instrument"].tolist(),
            scales["price_scale"].tolist(),
            scales["size_scale"].tolist(),
        )

    async def _make_room(self, trades: Table) -> None:
        """Create the partitions that the batch needs, should a job not have made them ahead."""
        days = set(np.unique(trades["venue_time"] // DAY).tolist())
        for table in ("trades", "candles_1s"):
            await self._days_exist(table, days)

    async def _days_exist(self, table: str, days: set[int]) -> None:
        # Day by day: between a stray trade's day and today may lie thousands.
        for day in sorted(days):
            if (table, day) not in self._days:
                moment = from_us(day * DAY)
                await self._connection.execute("SELECT outcry_make_room($1, $2, $2)", table, moment)
                self._days.add((table, day))


async def _copy(connection: asyncpg.Connection[Any], table: str, payload: bytes) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield payload

    await connection.copy_to_table(table, source=source(), format="binary")


def _encode_trades(trades: Table, scales: Table) -> bytes:
    price_scale, size_scale = row_scales(trades["instrument"], scales)
    return copy_format.encode(
        (
            copy_format.Int(trades["instrument"], 4),
            copy_format.Timestamp(trades["venue_time"]),
            copy_format.Timestamp(trades["received_time"]),
            copy_format.Int(trades["trade_id"], 8),
            copy_format.Numeric(trades["price"], price_scale),
            copy_format.Numeric(trades["size"], size_scale),
            copy_format.Int(trades["side"], 2),
        )
    )


def _encode_deltas(deltas: Sequence[tuple[str, CandleColumns]], scales: Table) -> bytes:
    def column(name: str) -> np.ndarray[Any, Any]:
        return np.concatenate([getattr(rows, name) for _, rows in deltas])

    instrument = column("instrument")
    price, size = row_scales(instrument.astype(np.uint32), scales)
    keys = np.concatenate([np.full(len(rows), _BASE_KEYS[name]) for name, rows in deltas])
    return copy_format.encode(
        (
            copy_format.Int(keys, 2),
            copy_format.Int(instrument, 4),
            copy_format.Timestamp(column("bucket")),
            *(
                copy_format.Numeric(column(name), price)
                for name in ("open", "high", "low", "close")
            ),
            copy_format.Numeric(column("volume"), size),
            copy_format.Numeric(column("quote_volume"), price + size),
            copy_format.Int(column("trades"), 8),
            copy_format.Numeric(column("taker_buy_volume"), size),
            copy_format.Numeric(column("taker_buy_quote_volume"), price + size),
            copy_format.Int(column("first_id"), 8),
            copy_format.Int(column("last_id"), 8),
        )
    )
