"""What PostgreSQL counts of the statements it runs (pg_stat_statements), where it does."""

from __future__ import annotations

from typing import Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, connection

# The view is there as soon as the extension is, and fails where the library is not loaded.
_THERE: Final = "SELECT to_regclass('pg_stat_statements') IS NOT NULL"

_STATEMENTS: Final = """
SELECT queryid::text, left(regexp_replace(query, '\\s+', ' ', 'g'), $2) AS query, calls, rows,
    total_exec_time, mean_exec_time, max_exec_time, shared_blks_hit, shared_blks_read
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND toplevel AND queryid IS NOT NULL
ORDER BY total_exec_time DESC, queryid LIMIT $1
"""


class Statement(Struct, frozen=True, rename="camel"):
    """A statement's figures since they were last reset; values stand as `$1`. Times in ms."""

    query_id: str
    query: str
    calls: int
    rows: int
    total_ms: float
    mean_ms: float
    max_ms: float
    blocks_hit: int
    blocks_read: int


async def read_statements(
    pool: Pool, limit: int = 20, *, letters: int = 2000
) -> list[Statement] | None:
    """Return the statements that took most time altogether; None where they are not counted.

    Texts are cut after so many letters. Raises StoreUnavailableError.
    """
    async with connection(pool) as lent:
        if not await lent.fetchval(_THERE):
            return None
        try:
            rows = await lent.fetch(_STATEMENTS, limit, letters)
        except (
            asyncpg.ObjectNotInPrerequisiteStateError,
            asyncpg.InsufficientPrivilegeError,
            asyncpg.UndefinedColumnError,
        ):
            return None
    return [Statement(*row) for row in rows]
