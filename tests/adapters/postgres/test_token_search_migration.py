"""The migration that makes tokens findable: the same for a store that has tokens as for an empty one."""

from __future__ import annotations

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from openoutcry.adapters.postgres import migrate

_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, generation_expression
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
_INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
_FUNCTIONS = """
SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'outcry%' AND prokind = 'f' ORDER BY 1
"""


async def schema(db: asyncpg.Connection) -> list[tuple[object, ...]]:
    """Return columns, indexes and functions."""
    asked = (_COLUMNS, _INDEXES, _FUNCTIONS)
    return [tuple(row) for sql in asked for row in await db.fetch(sql)]


async def to(url: str, revision: str) -> None:
    """Take a database down, or up, to a revision."""

    def on(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(migrate.MIGRATIONS))
        config.attributes["connection"] = connection
        (command.upgrade if revision == "head" else command.downgrade)(config, revision)
        connection.commit()

    await migrate._with_connection(url, on)


async def test_tokens_that_were_there_before(database_url: str, db: asyncpg.Connection) -> None:
    """They are found as new ones are; what is left of going down and up again is the same schema."""
    fresh = await schema(db)
    await to(database_url, "0007")
    assert "keys" not in {row[1] for row in await schema(db) if row[0] == "tokens"}
    add = "INSERT INTO tokens (address, symbol, name) VALUES ($1, 'OTT', 'River Otter')"
    await db.execute(add, b"\1" * 20)
    await to(database_url, "head")
    assert await schema(db) == fresh
    await db.execute(add, b"\2" * 20)
    keys = await db.fetch("SELECT tsvector_to_array(keys) FROM tokens")
    assert [set(row[0]) for row in keys] == [{"ott", "river otter", "otter"}] * 2
