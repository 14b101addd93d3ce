"""The fixtures that every other test rests on."""

from __future__ import annotations

import asyncpg
from redis.asyncio import Redis

from openoutcry.adapters.postgres import migrate


async def test_valkey_is_empty_and_writable(valkey: Redis) -> None:
    """Each test finds an empty Valkey."""
    assert await valkey.dbsize() == 0
    await valkey.set("left", "over")


async def test_valkey_is_empty_again(valkey: Redis) -> None:
    """What one test leaves, the next does not see."""
    assert await valkey.dbsize() == 0


async def test_database_is_migrated(pool: asyncpg.Pool, database_url: str) -> None:
    """Each test finds every table of the newest revision, without rows."""
    assert await pool.fetchval("SELECT count(*) FROM instruments") == 0
    assert await migrate.current_revision(database_url) == migrate.head_revision()


def test_database_serves_synchronous_tests(database_url: str) -> None:
    """A test that starts processes of its own gets a database too."""
    assert database_url.startswith("postgresql://postgres@/test_")
