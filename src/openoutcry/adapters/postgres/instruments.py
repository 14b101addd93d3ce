"""The instruments table: what the feed registers, what everybody reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from openoutcry.model import Instrument

_REGISTER: Final = """
INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (venue, symbol) DO UPDATE SET
    base = excluded.base, quote = excluded.quote,
    price_scale = GREATEST(instruments.price_scale, excluded.price_scale),
    size_scale = GREATEST(instruments.size_scale, excluded.size_scale)
"""

_READ: Final = """
SELECT id, venue, symbol, base, quote, price_scale, size_scale FROM instruments
WHERE venue = $1 AND symbol = ANY ($2::text[])
"""


async def register(connection: asyncpg.Connection[Any], instruments: Sequence[Instrument]) -> None:
    """Store instruments (their `id` is ignored); known ones keep their id, scales only grow."""
    await connection.executemany(
        _REGISTER,
        [(i.venue, i.symbol, i.base, i.quote, i.price_scale, i.size_scale) for i in instruments],
    )


async def read(
    connection: asyncpg.Connection[Any], venue: str, symbols: Sequence[str]
) -> list[Instrument]:
    """Return the stored instruments among `symbols`, in the order of `symbols`."""
    rows = await connection.fetch(_READ, venue, list(symbols))
    found = {row["symbol"]: Instrument(**dict(row)) for row in rows}
    return [found[symbol] for symbol in symbols if symbol in found]
