"""Read what the store says of itself: the gap ledger, positions and freshness."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, Source, connection, fetch
from openoutcry.model import GapState

_GAPS: Final = """
SELECT g.id, i.symbol, g.from_id, g.to_id, g.from_time, g.to_time,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(g.missing) AS r)::bigint,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(g.absent) AS r)::bigint,
       g.detected_at, g.resolved_at, g.state
FROM gaps AS g JOIN instruments AS i ON i.id = g.instrument_id
WHERE ($1::text IS NULL OR i.symbol = $1) AND ($2::text IS NULL OR g.state = $2)
ORDER BY g.id DESC
LIMIT $3
"""

_OPEN_GAPS: Final = """
SELECT count(*)::bigint AS gaps,
       coalesce(sum((SELECT sum(upper(r) - lower(r)) FROM unnest(missing) AS r)), 0)::bigint
FROM gaps WHERE state = 'suspected'
"""

_SYMBOLS: Final = """
SELECT i.symbol, w.last_id, w.last_time, w.heard_until
FROM watermarks AS w JOIN instruments AS i ON i.id = w.instrument_id
ORDER BY i.id
"""

_POSITIONS: Final = (
    "SELECT stream, entry_id, trades, updated_at FROM stream_positions ORDER BY stream"
)

_REVISION: Final = "SELECT version_num FROM alembic_version"
_HAS_REVISION: Final = "SELECT to_regclass('alembic_version') IS NOT NULL"


class Gap(Struct, frozen=True):
    """One row of the gap ledger; times in µs.

    `missing` counts ids that are neither stored nor explained, `absent` those that the venue has
    confirmed not to have either.
    """

    id: int
    symbol: str
    from_id: int
    to_id: int
    from_time: int
    to_time: int
    missing: int
    absent: int
    detected_at: int
    resolved_at: int | None
    state: GapState


class SymbolFigures(Struct, frozen=True):
    """How far one instrument's tape reaches (venue times, µs)."""

    symbol: str
    last_id: int
    last_time: int
    heard_until: int


class StreamPosition(Struct, frozen=True):
    """The last entry of a trade stream that is committed, and how many trades ever were."""

    stream: str
    entry_id: str
    trades: int
    updated_at: int


class StoreFigures(Struct, frozen=True):
    """Everything that the store adds to the system's status."""

    symbols: list[SymbolFigures]
    positions: list[StreamPosition]
    gaps_open: int
    trades_missing: int


async def read_gaps(
    source: Source, symbol: str | None = None, state: GapState | None = None, limit: int = 100
) -> list[Gap]:
    """Return the newest `limit` gaps, newest first. Raises StoreUnavailableError."""
    rows = await fetch(source, _GAPS, symbol, state and state.value, limit)
    return [Gap(*(*row[:-1], GapState(row[-1]))) for row in rows]


async def read_figures(pool: Pool) -> StoreFigures:
    """Return the store's figures, read on one connection. Raises StoreUnavailableError."""
    async with connection(pool) as lent:
        symbols = await lent.fetch(_SYMBOLS)
        positions = await lent.fetch(_POSITIONS)
        gaps, missing = await lent.fetchrow(_OPEN_GAPS)
    return StoreFigures(
        symbols=[SymbolFigures(*row) for row in symbols],
        positions=[StreamPosition(*row) for row in positions],
        gaps_open=gaps,
        trades_missing=missing,
    )


async def read_revision(pool: Pool) -> str | None:
    """Return the schema's revision, None for an empty database. Raises StoreUnavailableError."""
    async with connection(pool) as lent:
        if not await lent.fetchval(_HAS_REVISION):
            return None
        revision: str | None = await lent.fetchval(_REVISION)
        return revision
