"""The stand-in server behaves like a PostgreSQL server where the product relies on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

pytestmark = pytest.mark.timescale


async def test_an_error_skips_the_rest_of_its_turn(db: asyncpg.Connection) -> None:
    """Of many statements sent at once none is kept when one fails, and the connection goes on."""
    rows = [(n, "x" * 100) for n in [*range(3000), 0, *range(3000, 6000)]]
    await db.execute("CREATE TEMP TABLE numbers (n int PRIMARY KEY, text text)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.executemany("INSERT INTO numbers VALUES ($1, $2)", rows)
    assert await db.fetchval("SELECT count(*) FROM numbers") == 0


async def test_copy_is_postgresqls_own(db: asyncpg.Connection) -> None:
    """COPY stores what it is sent, fails on what it must, and can be given up by the client."""
    await db.execute("CREATE TEMP TABLE numbers (n int PRIMARY KEY)")
    assert await db.copy_records_to_table("numbers", records=[(1,), (2,)]) == "COPY 2"
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.copy_records_to_table("numbers", records=[(3,), (1,)])

    async def broken() -> AsyncIterator[bytes]:
        yield b"PGCOPY\n"
        raise EOFError

    with pytest.raises(EOFError):
        await db.copy_to_table("numbers", source=broken(), format="binary")
    assert await db.fetchval("SELECT sum(n) FROM numbers") == 3


async def test_a_connection_leaves_nothing_behind(database_url: str) -> None:
    """The next one waits its turn and finds no transaction, setting, lock or temporary table."""
    first = await asyncpg.connect(database_url, server_settings={"TimeZone": "Asia/Tokyo"})
    waiting = asyncio.create_task(asyncpg.connect(database_url))
    await first.execute("CREATE TEMP TABLE numbers (n int)")
    await first.execute("SELECT pg_advisory_lock(1)")
    await first.execute("SET jit = off; RESET ALL")
    assert await first.fetchval("SELECT current_setting('TimeZone')") == "Asia/Tokyo"
    await first.execute("BEGIN; DELETE FROM trades; CREATE TABLE kept (n int)")
    await first.close()
    second = await waiting
    try:
        found = await second.fetchrow(
            "SELECT to_regclass('numbers') IS NULL AND to_regclass('kept') IS NULL AS tables,"
            " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks,"
            " current_setting('TimeZone') AS zone, to_regclass('trades') IS NOT NULL AS path"
        )
        assert tuple(found) == (True, 0, "GMT", True)
    finally:
        await second.close()
