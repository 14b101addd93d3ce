"""Read what is known of an instrument: the one query and the one reading of it."""

from __future__ import annotations

from typing import Any, Final

from openoutcry.core.coverage import Coverage, Span

# Another trade of the first one's very moment may have come before it: what is known begins after it,
# as in `core.ledger`.
_COVERAGE: Final = """
SELECT false AS gap, 0 AS base, first_time + interval '1 microsecond' AS from_time,
       heard_until AS to_time
FROM watermarks WHERE instrument_id = $1
UNION ALL
SELECT false, base,
       CASE base WHEN 0 THEN from_time + interval '1 microsecond' ELSE from_time END, to_time
FROM coverage WHERE instrument_id = $1 AND to_time >= $2
UNION ALL
SELECT true, 0, from_time, to_time
FROM gaps WHERE instrument_id = $1 AND state = 'suspected' AND to_time >= $2
"""


async def read_coverage(connection: Any, instrument: int, since: int = 0) -> Coverage:
    """Return an instrument's coverage and suspected gaps, as far as they reach `since` (µs).

    `connection` is of a pool by `open_pool`: its times are integers.
    """
    rows = await connection.fetch(_COVERAGE, instrument, since)
    return Coverage(
        spans=tuple(Span(base, low, high) for gap, base, low, high in rows if not gap),
        gaps=tuple((low, high) for gap, _, low, high in rows if gap),
    )
