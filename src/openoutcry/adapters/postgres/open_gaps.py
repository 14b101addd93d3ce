"""What the gap ledger says is still to be fetched."""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.times import to_us
from openoutcry.core.ranges import Ranges
from openoutcry.model import Instrument

_OPEN: Final = """
SELECT g.id AS gap, g.missing, i.id, i.venue, i.symbol, i.base, i.quote, i.price_scale, i.size_scale
FROM gaps AS g JOIN instruments AS i ON i.id = g.instrument_id
WHERE g.state = 'suspected' AND g.detected_at <= now() - make_interval(secs => $1)
  AND ($2::text IS NULL OR i.symbol = $2)
ORDER BY g.to_id - g.from_id, g.id
LIMIT 200
"""

_HOLES: Final = """
SELECT w.hole_since, i.id, i.venue, i.symbol, i.base, i.quote, i.price_scale, i.size_scale
FROM watermarks AS w JOIN instruments AS i ON i.id = w.instrument_id
WHERE w.hole_since IS NOT NULL AND ($1::text IS NULL OR i.symbol = $1)
ORDER BY i.id
"""


class OpenGap(Struct, frozen=True):
    """A suspected gap: its key, its instrument, and the ids that are neither stored nor explained."""

    key: int
    instrument: Instrument
    missing: Ranges


class Hole(Struct, frozen=True):
    """A time before `since` (µs, venue) in which the feed was deaf and may have missed something."""

    instrument: Instrument
    since: int


async def open_gaps(
    connection: asyncpg.Connection[Any], older_than: float, symbol: str | None = None
) -> list[OpenGap]:
    """Return suspected gaps that were seen at least `older_than` seconds ago, the smallest first."""
    return [
        OpenGap(
            row["gap"],
            _instrument(row),
            tuple((r.lower, r.upper - 1) for r in row["missing"]),
        )
        for row in await connection.fetch(_OPEN, older_than, symbol)
    ]


async def holes(connection: asyncpg.Connection[Any], symbol: str | None = None) -> list[Hole]:
    """Return the instruments whose silence while the feed was away is not explained."""
    return [
        Hole(_instrument(row), to_us(row["hole_since"]))
        for row in await connection.fetch(_HOLES, symbol)
    ]


def _instrument(row: asyncpg.Record) -> Instrument:
    return Instrument(
        row["id"],
        row["venue"],
        row["symbol"],
        row["base"],
        row["quote"],
        row["price_scale"],
        row["size_scale"],
    )
