"""Read single stored candles back by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.times import from_us, to_us
from openoutcry.core.intervals import BASES
from openoutcry.model import Candle


class BucketKey(Struct, frozen=True):
    """One stored candle: the base's name, the instrument's id, the bucket's start in µs."""

    base: str
    instrument: int
    bucket: int


_ROWS: Final = (
    " UNION ALL ".join(
        f"""
    SELECT '{base.name}' AS base, c.instrument_id, c.bucket, open, high, low, close, volume,
           quote_volume, trades, taker_buy_volume, taker_buy_quote_volume,
           first_trade_id, last_trade_id, sealed
    FROM unnest(${2 * at + 1}::int[], ${2 * at + 2}::timestamptz[]) AS k (instrument_id, bucket)
    JOIN candles_{base.name} AS c USING (instrument_id, bucket)
    """
        for at, base in enumerate(BASES)
    )
    + " ORDER BY bucket"
)


async def read_rows(
    connection: asyncpg.Connection[Any], keys: Sequence[BucketKey]
) -> dict[int, dict[str, list[Candle]]]:
    """Return the candles of `keys` by instrument and base, oldest first; one round trip."""
    if not keys:
        return {}
    arguments: list[Any] = []
    for base in BASES:
        chosen = [key for key in keys if key.base == base.name]
        arguments += [[key.instrument for key in chosen], [from_us(key.bucket) for key in chosen]]
    found: dict[int, dict[str, list[Candle]]] = {}
    for row in await connection.fetch(_ROWS, *arguments):
        candles = found.setdefault(row["instrument_id"], {}).setdefault(row["base"], [])
        candles.append(to_candle(row))
    return found


def to_candle(row: asyncpg.Record) -> Candle:
    """Return a row of a candle table as a value."""
    return Candle(
        bucket=to_us(row["bucket"]),
        open=row["open"],
        high=row["high"],
        low=row["low"],
        close=row["close"],
        volume=row["volume"],
        quote_volume=row["quote_volume"],
        trades=row["trades"],
        taker_buy_volume=row["taker_buy_volume"],
        taker_buy_quote_volume=row["taker_buy_quote_volume"],
        first_id=_known(row["first_trade_id"], row["sealed"]),
        last_id=_known(row["last_trade_id"], row["sealed"]),
    )


def _known(trade_id: int, sealed: bool) -> int:
    """Return a trade's id, or -1 where the row is the venue's own candle, which has none (0)."""
    return trade_id if trade_id and not sealed else -1
