"""Binary COPY: PostgreSQL reads exactly the numbers that were put in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openoutcry.adapters.postgres.copy_format import Field, Int, Numeric, Timestamp, encode
from openoutcry.adapters.postgres.times import from_us

MAX = 2**63 - 1


def text(value: int, scale: int) -> str:
    """Return what PostgreSQL shows for a numeric of `value` / 10**`scale` at that display scale."""
    digits = str(abs(value)).zfill(scale + 1)
    shown = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return f"-{shown}" if value < 0 else shown


async def copied(
    connection: asyncpg.Connection, columns: Sequence[str], fields: Sequence[Field]
) -> list[asyncpg.Record]:
    """Copy fields into a new table of these column types; return its rows as text, in order."""
    names = ", ".join(f"c{at} {kind}" for at, kind in enumerate(columns))
    shown = ", ".join(f"c{at}::text" for at in range(len(columns)))
    payload = encode(fields)

    async def source() -> AsyncIterator[bytes]:
        yield payload

    await connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS copied ({names}); TRUNCATE copied")
    await connection.copy_to_table("copied", source=source(), format="binary")
    rows: list[asyncpg.Record] = await connection.fetch(f"SELECT {shown} FROM copied ORDER BY ctid")
    return rows


def numeric(rows: Sequence[tuple[int, int]]) -> Numeric:
    """Return a column of (value, scale), as int64 where they all fit."""
    kind = np.int64 if all(abs(value) <= MAX + 1 and value <= MAX for value, _ in rows) else object
    values = np.array([value for value, _ in rows], kind)
    return Numeric(values, np.array([scale for _, scale in rows], np.int64))


numbers = st.one_of(
    st.integers(-MAX - 1, MAX),
    st.integers(-(10**40), 10**40),
    st.sampled_from([0, 1, -1, 9999, 10_000, -10_001, 99_990_000, MAX, -MAX, -MAX - 1]),
)
columns = st.lists(st.tuples(numbers, st.integers(0, 18)), min_size=1, max_size=8)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(columns, st.one_of(st.none(), st.integers(0, 36)))
@example([(0, 0)], None)
@example([(0, 18), (1, 18), (-1, 18)], None)
@example([(-MAX - 1, 3)], None)
@example([(5, 0), (123456789, 17)], None)
async def test_numerics_of_every_shape_arrive_exactly(
    db: asyncpg.Connection, rows: list[tuple[int, int]], common: int | None
) -> None:
    """Value and display scale of each row are what was put in, whatever else its column holds."""
    if common is not None:
        rows = [(value, common) for value, _ in rows]
    found = await copied(db, ["numeric"], [numeric(rows)])
    assert [row[0] for row in found] == [text(*row) for row in rows]


async def test_numerics_that_came_by_copy_are_like_others(db: asyncpg.Connection) -> None:
    """Groups of zeros that pad the wire format are not stored: equal numbers have equal bytes."""
    rows = [(10**17, 2), (5, 2), (0, 2)]
    await copied(db, ["numeric"], [numeric(rows)])
    stored = await db.fetch("SELECT numeric_send(c0) FROM copied ORDER BY ctid")
    made = await db.fetch(
        "SELECT numeric_send(t::numeric) FROM unnest($1::text[]) AS t", [text(*row) for row in rows]
    )
    assert stored == made


async def test_integers_and_times_arrive_exactly(db: asyncpg.Connection) -> None:
    """Columns of every width keep their extremes; times keep their microseconds."""
    times = [0, 1_723_161_255_342_001, 253_402_300_799_999_999]
    fields: list[Field] = [
        Int(np.array([-(2**15), 0, 2**15 - 1]), 2),
        Int(np.array([-(2**31), 0, 2**31 - 1]), 4),
        Int(np.array([-(2**63), 0, 2**63 - 1]), 8),
        Timestamp(np.array(times)),
    ]
    await copied(db, ["int2", "int4", "int8", "timestamptz"], fields)
    rows = await db.fetch("SELECT * FROM copied ORDER BY ctid")
    assert [tuple(row) for row in rows] == [
        (-(2**15), -(2**31), -(2**63), from_us(times[0])),
        (0, 0, 0, from_us(times[1])),
        (2**15 - 1, 2**31 - 1, 2**63 - 1, from_us(times[2])),
    ]


async def test_no_rows_are_a_valid_copy(db: asyncpg.Connection) -> None:
    """An empty batch is a header and a trailer, which PostgreSQL takes."""
    assert await copied(db, ["numeric"], [numeric([])]) == []


@pytest.mark.parametrize("side", [70_000, -70_000])
def test_numbers_too_wide_for_their_column_are_an_error(side: int) -> None:
    """An integer that its column cannot hold is refused, not wrapped."""
    with pytest.raises(OverflowError):
        encode([Int(np.array([side]), 2)])
