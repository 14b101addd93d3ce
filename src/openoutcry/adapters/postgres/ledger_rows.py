"""Ledgers as rows: watermarks, coverage and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg

from openoutcry.adapters.postgres.times import from_us, to_us
from openoutcry.core.coverage import Span
from openoutcry.core.ledger import Gap, GapChange, Island, Ledger, LedgerChange
from openoutcry.core.ranges import Ranges

_WATERMARKS: Final = """
SELECT instrument_id, first_id, first_time, last_id, last_time, heard_until, hole_since
FROM watermarks
"""

_COVERAGE: Final = """
SELECT instrument_id, base, from_time, to_time, from_id, to_id FROM coverage
ORDER BY instrument_id, base, from_time
"""

_GAPS: Final = """
SELECT id, instrument_id, from_id, to_id, missing, absent, from_time, to_time FROM gaps
WHERE state <> 'filled' ORDER BY id
"""

_WRITE_WATERMARKS: Final = """
INSERT INTO watermarks
    (instrument_id, first_id, first_time, last_id, last_time, heard_until, hole_since)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::timestamptz[], $4::bigint[],
                     $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (instrument_id) DO UPDATE SET
    first_id = excluded.first_id, first_time = excluded.first_time,
    last_id = excluded.last_id, last_time = excluded.last_time,
    heard_until = excluded.heard_until, hole_since = excluded.hole_since
"""

_WRITE_COVERAGE: Final = """
INSERT INTO coverage (instrument_id, base, from_time, to_time, from_id, to_id)
VALUES ($1, $2, $3, $4, $5, $6)
"""

_INSERT_GAP: Final = """
INSERT INTO gaps
    (instrument_id, from_id, to_id, missing, absent, from_time, to_time, state, resolved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8 <> 'suspected' THEN now() END)
RETURNING id
"""

_UPDATE_GAP: Final = """
UPDATE gaps SET missing = $2, absent = $3, state = $4,
    resolved_at = CASE WHEN $4 <> 'suspected' THEN now() END
WHERE id = $1
"""


async def load_ledgers(connection: asyncpg.Connection[Any]) -> dict[int, Ledger]:
    """Return the ledger of every instrument that has a watermark, coverage or a gap."""
    ledgers: dict[int, Ledger] = {}
    for row in await connection.fetch(_WATERMARKS):
        ledger = _of(ledgers, row)
        ledger.live = Island(
            row["first_id"], row["last_id"], to_us(row["first_time"]), to_us(row["last_time"])
        )
        ledger.heard_until = to_us(row["heard_until"])
        ledger.hole_since = None if row["hole_since"] is None else to_us(row["hole_since"])
    for row in await connection.fetch(_COVERAGE):
        start, end = to_us(row["from_time"]), to_us(row["to_time"])
        if row["base"] == 0:
            _of(ledgers, row).islands.append(Island(row["from_id"], row["to_id"], start, end))
        else:
            _of(ledgers, row).klines.append(Span(base=row["base"], start=start, end=end))
    for row in await connection.fetch(_GAPS):
        _of(ledgers, row).gaps.append(
            Gap(
                from_id=row["from_id"],
                to_id=row["to_id"],
                missing=_ranges(row["missing"]),
                absent=_ranges(row["absent"]),
                from_time=to_us(row["from_time"]),
                to_time=to_us(row["to_time"]),
                key=row["id"],
                changed=False,
            )
        )
    return ledgers


async def write_changes(
    connection: asyncpg.Connection[Any], changes: Sequence[LedgerChange]
) -> None:
    """Write what a batch changed; part of the caller's transaction."""
    await _write_watermarks(connection, changes)
    for change in changes:
        if change.islands is not None:
            await _replace_coverage(
                connection,
                change.instrument,
                "base = 0",
                [(0, i.from_time, i.to_time, i.from_id, i.to_id) for i in change.islands],
            )
        if change.klines is not None:
            await _replace_coverage(
                connection,
                change.instrument,
                "base > 0",
                [(span.base, span.start, span.end, None, None) for span in change.klines],
            )
        for gap in change.gaps:
            await _write_gap(connection, change.instrument, gap)


async def _write_watermarks(
    connection: asyncpg.Connection[Any], changes: Sequence[LedgerChange]
) -> None:
    rows = [
        (
            change.instrument,
            change.live.from_id,
            from_us(change.live.from_time),
            change.live.to_id,
            from_us(change.live.to_time),
            from_us(change.heard_until),
            None if change.hole_since is None else from_us(change.hole_since),
        )
        for change in changes
        if change.live is not None
    ]
    if rows:
        await connection.execute(_WRITE_WATERMARKS, *map(list, zip(*rows, strict=True)))


async def _replace_coverage(
    connection: asyncpg.Connection[Any],
    instrument: int,
    which: str,
    rows: Sequence[tuple[int, int, int, int | None, int | None]],
) -> None:
    await connection.execute(
        f"DELETE FROM coverage WHERE instrument_id = $1 AND {which}", instrument
    )
    await connection.executemany(
        _WRITE_COVERAGE,
        [
            (instrument, base, from_us(start), from_us(end), low, high)
            for base, start, end, low, high in rows
        ],
    )


async def _write_gap(
    connection: asyncpg.Connection[Any], instrument: int, change: GapChange
) -> None:
    gap = change.gap
    missing, absent = _multirange(change.missing), _multirange(change.absent)
    if gap.key is not None:
        await connection.execute(_UPDATE_GAP, gap.key, missing, absent, change.state.value)
        return
    gap.key = await connection.fetchval(
        _INSERT_GAP,
        instrument,
        gap.from_id,
        gap.to_id,
        missing,
        absent,
        from_us(gap.from_time),
        from_us(gap.to_time),
        change.state.value,
    )


def _of(ledgers: dict[int, Ledger], row: asyncpg.Record) -> Ledger:
    return ledgers.setdefault(row["instrument_id"], Ledger(row["instrument_id"]))


def _multirange(ranges: Ranges) -> list[asyncpg.Range]:
    return [asyncpg.Range(low, high + 1) for low, high in ranges]


def _ranges(multirange: Iterable[asyncpg.Range]) -> Ranges:
    return tuple((r.lower, r.upper - 1) for r in multirange)
