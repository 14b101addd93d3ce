"""The outbox as its publisher sees it: one connection that owns it and drains it in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct

PUBLISHER_LOCK: Final = 7_381_510
"""First key of the advisory lock that one publisher at a time holds; the second is 0."""

PRUNED_AT_ONCE: Final = 5_000

# A commit that a crash of the server forgets is made again: nothing comes of it but a little work.
_FAST_COMMITS: Final = "SET synchronous_commit = off"

UNPUBLISHED: Final = """
SELECT id, user_id, position, type, data, (extract(epoch FROM time) * 1000000)::bigint AS time
FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1
"""
MARK: Final = "UPDATE outbox SET published_at = now() WHERE id = ANY($1::bigint[])"
# The oldest rows by id, without an index by time: who is behind on ids is behind on time.
PRUNE: Final = """
DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1)
  AND published_at < now() - interval '1 day'
"""
EPOCH: Final = "SELECT epoch FROM trading_epoch"


class Row(Struct, frozen=True):
    """A message that was committed; `data` is JSON, `time` in µs."""

    id: int
    user_id: int
    offset: int
    type: str
    data: str
    time: int


class Outbox:
    """Reads rows in order and marks what was published. One owner at a time (advisory lock).

    Within a user, ids, positions and commits have the same order, because whoever writes rows holds
    the lock of the user's account: so what is read has no holes but those still to come after it.
    """

    def __init__(self, connection: asyncpg.Connection[Any], epoch: str) -> None:
        self.connection = connection
        self.epoch = epoch

    @classmethod
    async def own(cls, connection: asyncpg.Connection[Any]) -> Outbox | None:
        """Return the outbox if nobody else owns it, else None."""
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, 0)", PUBLISHER_LOCK):
            return None
        await connection.execute(_FAST_COMMITS)
        return cls(connection, await connection.fetchval(EPOCH))

    async def unpublished(self, limit: int) -> list[Row]:
        """Return the oldest rows that were not marked yet."""
        found = await self.connection.fetch(UNPUBLISHED, limit)
        return [Row(*row.values()) for row in found]

    async def mark(self, rows: Sequence[Row]) -> None:
        """Note that these rows have been published."""
        await self.connection.execute(MARK, [row.id for row in rows])

    async def prune(self) -> int:
        """Delete rows that were published more than a day ago; return how many."""
        total = 0
        while True:
            deleted = int((await self.connection.execute(PRUNE, PRUNED_AT_ONCE)).split()[-1])
            total += deleted
            if deleted < PRUNED_AT_ONCE:
                return total

    async def close(self) -> None:
        """Give the outbox up."""
        await self.connection.close(timeout=2)
