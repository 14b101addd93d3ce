"""Bring the schema of a database up to date with Alembic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


async def upgrade(database_url: str, revision: str = "head") -> None:
    """Run every step that `database_url` has not seen, each in its own transaction.

    Safe to run from many processes at once: an advisory lock lets one of them work.
    """
    await _with_connection(database_url, lambda connection: _upgrade(connection, revision))


async def current_revision(database_url: str) -> str | None:
    """Return the revision that the database is at, or None for an empty one."""
    found: list[str | None] = []
    await _with_connection(
        database_url,
        lambda c: found.append(MigrationContext.configure(c).get_current_revision()),
    )
    return found[0]


def head_revision() -> str | None:
    """Return the newest revision that this version of OpenOutcry knows."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    connection.exec_driver_sql("SELECT pg_advisory_lock(7381500)")
    connection.commit()
    try:
        command.upgrade(config, revision)
        connection.commit()
        _count_statements(connection)
        connection.commit()
    finally:
        connection.rollback()  # a step that failed would otherwise hide behind the unlock's failure
        connection.exec_driver_sql("SELECT pg_advisory_unlock(7381500)")
        connection.commit()


def _count_statements(connection: Connection) -> None:
    """Let this database see the figures of its statements, where the server counts them and we may.

    Not a step of the schema: a server may begin to count at any time, and nothing else needs it.
    """
    if connection.exec_driver_sql(_COUNTS).scalar():
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


_COUNTS = """
SELECT CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    THEN current_setting('shared_preload_libraries') ~ 'pg_stat_statements'
     AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements')
    ELSE false END
"""


async def _with_connection(database_url: str, work: Callable[[Connection], None]) -> None:
    url = database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
    finally:
        await asyncio.shield(engine.dispose())
