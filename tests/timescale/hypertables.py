"""Ask and move the chunks of hypertables."""

from __future__ import annotations

import asyncpg


async def chunks(db: asyncpg.Connection, table: str) -> int:
    """Return how many chunks a hypertable has."""
    found: int = await db.fetchval("SELECT count(*) FROM show_chunks($1::regclass)", table)
    return found


async def compress(db: asyncpg.Connection, table: str) -> int:
    """Compress every chunk of a hypertable; returns how many are compressed then."""
    await db.execute(
        f"SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('{table}') c"
    )
    found: int = await db.fetchval(
        "SELECT count(*) FROM timescaledb_information.chunks"
        " WHERE hypertable_name = $1 AND is_compressed",
        table,
    )
    return found
