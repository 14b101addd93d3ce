"""What PostgreSQL says of itself: sizes, how tables and indexes are used, what memory answered."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, connection
from openoutcry.adapters.postgres.statements import Statement, read_statements

TOP_STATEMENTS: Final = 50
_LETTERS: Final = 1000
_MOST_INDEXES: Final = 300

_DATABASE: Final = """
SELECT current_setting('server_version'), pg_database_size(current_database()), numbackends,
    current_setting('max_connections')::int, xact_commit, xact_rollback, blks_hit, blks_read,
    temp_bytes, deadlocks
FROM pg_stat_database WHERE datname = current_database()
"""

# A partition or a chunk counts for the table that it is a part of.
_ROOT: Final = """
SELECT c.oid, coalesce(pg_partition_root(c.oid), i.inhparent, c.oid) AS root, c.relkind, c.reltuples
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
"""

_TABLES: Final = f"""
SELECT t.relname, count(*) FILTER (WHERE p.oid <> p.root) AS partitions,
    coalesce(sum(pg_total_relation_size(p.oid)), 0)::bigint AS bytes,
    coalesce(sum(pg_indexes_size(p.oid)), 0)::bigint AS index_bytes,
    coalesce(sum(greatest(p.reltuples, 0)) FILTER (WHERE p.relkind = 'r'), 0)::bigint AS rows,
    coalesce(sum(s.n_dead_tup), 0)::bigint AS dead_rows,
    coalesce(sum(s.seq_scan), 0)::bigint AS seq_scans,
    coalesce(sum(s.idx_scan), 0)::bigint AS index_scans,
    coalesce(sum(s.n_tup_ins), 0)::bigint AS inserted,
    coalesce(sum(s.n_tup_upd), 0)::bigint AS updated,
    coalesce(sum(s.n_tup_del), 0)::bigint AS deleted,
    coalesce(sum(o.heap_blks_hit + coalesce(o.idx_blks_hit, 0)), 0)::bigint AS blocks_hit,
    coalesce(sum(o.heap_blks_read + coalesce(o.idx_blks_read, 0)), 0)::bigint AS blocks_read,
    max(greatest(s.last_vacuum, s.last_autovacuum)) AS vacuumed_at,
    max(greatest(s.last_analyze, s.last_autoanalyze)) AS analyzed_at
FROM ({_ROOT} WHERE c.relkind IN ('r', 'p')) AS p
JOIN pg_class t ON t.oid = p.root
LEFT JOIN pg_stat_user_tables s ON s.relid = p.oid
LEFT JOIN pg_statio_user_tables o ON o.relid = p.oid
WHERE t.relnamespace = current_schema()::regnamespace
GROUP BY t.oid, t.relname ORDER BY bytes DESC, t.relname
"""

_INDEXES: Final = f"""
SELECT t.relname, n.relname, max(x.indisunique::int)::bool AS unique,
    coalesce(sum(pg_relation_size(p.oid)), 0)::bigint AS bytes,
    coalesce(sum(s.idx_scan), 0)::bigint AS scans
FROM ({_ROOT} WHERE c.relkind IN ('i', 'I')) AS p
JOIN pg_class n ON n.oid = p.root
JOIN pg_index x ON x.indexrelid = p.root
JOIN pg_class t ON t.oid = x.indrelid
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = p.oid
WHERE t.relnamespace = current_schema()::regnamespace
GROUP BY t.relname, n.oid, n.relname ORDER BY bytes DESC, n.relname LIMIT {_MOST_INDEXES}
"""


class ServerFigures(Struct, frozen=True, rename="camel"):
    """The database as a whole; counters are since its statistics were reset."""

    version: str
    bytes: int
    connections: int
    connections_most: int
    commits: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    temp_bytes: int
    deadlocks: int


class TableFigures(Struct, frozen=True, rename="camel"):
    """A table with all its partitions. `rows` is what was counted at its last analysis; times in µs."""

    name: str
    partitions: int
    bytes: int
    index_bytes: int
    rows: int
    dead_rows: int
    seq_scans: int
    index_scans: int
    inserted: int
    updated: int
    deleted: int
    blocks_hit: int
    blocks_read: int
    vacuumed_at: int | None
    analyzed_at: int | None


class IndexFigures(Struct, frozen=True, rename="camel"):
    """An index with those of all partitions, and how often it was used."""

    table: str
    name: str
    unique: bool
    bytes: int
    scans: int


class DatabaseFigures(Struct, frozen=True, rename="camel"):
    """All of it; `statements` are null where PostgreSQL does not count them."""

    server: ServerFigures
    tables: list[TableFigures]
    indexes: list[IndexFigures]
    statements: list[Statement] | None


async def read_database(pool: Pool) -> DatabaseFigures:
    """Return the figures of this moment, of a pool by `open_pool`. Raises StoreUnavailableError."""
    async with connection(pool) as lent:
        server = ServerFigures(*await lent.fetchrow(_DATABASE))
        tables = [TableFigures(*row) for row in await lent.fetch(_TABLES)]
        indexes = [IndexFigures(*row) for row in await lent.fetch(_INDEXES)]
    statements = await read_statements(pool, TOP_STATEMENTS, letters=_LETTERS)
    return DatabaseFigures(server, tables, indexes, statements)


def share(part: int, other: int) -> float | None:
    """Return `part` of `part + other` in percent, two decimals; None of nothing."""
    whole = part + other
    return round(100 * part / whole, 2) if whole else None
