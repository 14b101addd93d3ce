"""What an indexer needs of the store before it writes: to be the only one, and where it left off."""

from __future__ import annotations

from typing import Final

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_store import LOCK
from openoutcry.core.chain.launchpads import Followed

_OWN: Final = "SELECT pg_try_advisory_lock($1, 1)"
_PATIENCE: Final = "SET lock_timeout = '2s'"
_IDENTITY: Final = "SELECT chain_id, genesis FROM chain_head WHERE chain_id IS NOT NULL"

_FOLLOWED: Final = """
SELECT address, launchpad, decimals, created_number FROM tokens WHERE created_number IS NOT NULL
"""


async def own(connection: Connection) -> bool:
    """Try to become the only indexer of this store, for as long as the connection lives.

    Who writes on the connection that owns needs no other proof of it: both end together.
    """
    return bool(await connection.fetchval(_OWN, LOCK))


async def limit_waits(connection: Connection) -> None:
    """Wait for a lock no longer than 2 s at a time: asyncpg.LockNotAvailableError says to try again.

    Somebody who makes the derived tables anew holds the writer's lock for as long as that takes.
    """
    await connection.execute(_PATIENCE)


async def read_identity(connection: Connection) -> tuple[int, bytes] | None:
    """Return chain id and genesis hash of the chain that is stored; None before the first."""
    row = await connection.fetchrow(_IDENTITY)
    return (row[0], row[1]) if row else None


async def read_followed(connection: Connection) -> dict[bytes, Followed]:
    """Return the tokens whose creation counts, by address."""
    rows = await connection.fetch(_FOLLOWED)
    return {address: Followed(*one) for address, *one in rows}
