"""What making the derived tables anew changes; and forgetting all of a chain, to read it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import BASES
from openoutcry.adapters.postgres.token_rebuild import rebuild
from openoutcry.adapters.postgres.token_store import LOCK

TABLES: Final = (
    *("tokens", "token_figures", "token_holders", "token_hours"),
    *(f"token_candles_{base.name}" for base in BASES),
)
"""What follows from the log; of `tokens` all but ids and addresses."""

_LOGS: Final = (
    *("chain_blocks", "token_trades", "token_transfers"),
    *("token_creations", "token_graduations"),
)

# A sum of hashes does not mind the order of the rows, and changes with any byte of any of them.
_PRINT: Final = """
SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {table} t
"""

_LIMIT: Final = 86_400.0

_FORGET: Final = f"""
TRUNCATE {", ".join((*TABLES, *_LOGS))} RESTART IDENTITY;
UPDATE chain_head SET chain_id = NULL, genesis = NULL, number = NULL, hash = NULL;
UPDATE token_windows SET through = 'epoch';
"""


class Compared(Struct, frozen=True):
    """A table before and after: its rows, and whether every byte of it is the same."""

    table: str
    before: int
    after: int
    same: bool


async def rebuild_and_compare(
    connection: Connection, progress: Callable[[int, int], None], *, keep: bool
) -> list[Compared]:
    """Make the derived tables anew from the log, and return what differs; with `keep`, keep them.

    One transaction under the writer's lock, as `rebuild` says. Takes as long as reading the derived
    tables twice in addition.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SELECT pg_advisory_xact_lock($1, 0)", LOCK, timeout=_LIMIT)
        before = await _prints(connection)
        await rebuild(connection, progress)
        after = await _prints(connection)
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.commit() if keep else transaction.rollback())
    return [
        Compared(table, before[table][0], after[table][0], before[table] == after[table])
        for table in TABLES
    ]


async def forget(connection: Connection) -> None:
    """Remove all that is known of a chain, its identity too. Nobody may be indexing."""
    await connection.execute(_FORGET)


async def _prints(connection: Connection) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for table in TABLES:
        row = await connection.fetchrow(_PRINT.format(table=table), timeout=_LIMIT)
        found[table] = (row[0], int(row[1]))
    return found
