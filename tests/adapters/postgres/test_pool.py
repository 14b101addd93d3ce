"""The pool speaks integers for times and has one error for a server that is gone."""

from __future__ import annotations

import asyncpg
import pytest

from openoutcry.adapters.postgres.pool import connection, fetch, fetch_value, open_pool
from openoutcry.errors import StoreUnavailableError


async def test_times_are_integer_microseconds(store: asyncpg.Pool) -> None:
    """A timestamptz goes in and comes out as µs since 1970, before and after 2000."""
    for time in (0, 946_684_800_000_000, 1_767_225_600_123_456):
        assert await fetch_value(store, "SELECT $1::timestamptz", time) == time


async def test_sessions_are_utc_and_named(store: asyncpg.Pool) -> None:
    """Connections run in UTC under the name that operators see."""
    (row,) = await fetch(
        store, "SELECT current_setting('TimeZone'), current_setting('application_name')"
    )
    assert tuple(row) == ("UTC", "outcry-test")


async def test_a_server_that_is_not_there() -> None:
    """Opening needs no server; the first question says that there is none."""
    pool = await open_pool("postgresql://x@127.0.0.1:1/x", application_name="outcry-test")
    with pytest.raises(StoreUnavailableError):
        await fetch(pool, "SELECT 1")
    with pytest.raises(StoreUnavailableError):
        await open_pool("postgresql://x@127.0.0.1:1/x", application_name="t", min_size=1)
    await pool.close()


async def test_a_connection_that_is_cut(store: asyncpg.Pool) -> None:
    """A session killed in the middle is an outage; the next question gets a new one."""
    with pytest.raises(StoreUnavailableError):
        async with connection(store) as lent:
            await lent.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await fetch_value(store, "SELECT 1") == 1


async def test_our_own_mistakes_are_not_outages(store: asyncpg.Pool) -> None:
    """Bad SQL and bad arguments keep their own errors."""
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await fetch(store, "SELEC 1")
    with pytest.raises(asyncpg.DataError):
        await fetch(store, "SELECT $1::int", "x")


async def test_a_slow_query_is_cut_off(database_url: str) -> None:
    """A query over its time limit is reported like an outage, for the caller to try again."""
    pool = await open_pool(database_url, application_name="t", command_timeout=0.05)
    with pytest.raises(StoreUnavailableError):
        await fetch(pool, "SELECT pg_sleep(5)")
    pool.terminate()
