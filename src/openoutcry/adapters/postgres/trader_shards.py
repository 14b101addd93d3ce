"""Who trades for whom: users are spread over shards, and a trader owns a shard by an advisory lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import asyncpg

SHARDS: Final = 64
"""A user's shard is the rest of its id by this. Changing it moves users between traders: stop all."""

TRADER_LOCKS: Final = 7_381_511
"""First key of the advisory locks that shards are owned by; the second is the shard."""
MEMBER_LOCKS: Final = 7_381_512
"""First key of the shared lock that every trader holds: who counts its holders counts traders."""

_MEMBERS: Final = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1::int::oid AND objid = 0 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# Accounts in which a trade may change something.
_BUSY: Final = f"""
SELECT account.user_id, account.version FROM trading_accounts AS account
WHERE account.user_id % {SHARDS} = ANY ($1::int[]) AND EXISTS (
    SELECT FROM bots WHERE bots.user_id = account.user_id AND bots.deleted_at IS NULL
      AND (bots.status = 'ACTIVE' OR bots.position_loan > 0 OR EXISTS (
        SELECT FROM orders WHERE orders.bot_id = bots.id
          AND orders.status IN ('PENDING', 'PARTIALLY_FILLED')))
)
"""


class TraderShards:
    """The shards of one trader, owned by the connection that it also writes on.

    The locks live and die with the connection: a trader that has lost its shards cannot commit.
    """

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self.owned: set[int] = set()

    async def join(self) -> None:
        """Become one of the traders that share the shards."""
        await self._connection.execute("SELECT pg_advisory_lock_shared($1, 0)", MEMBER_LOCKS)

    async def fair_share(self) -> int:
        """Return how many shards each trader should have, with as many traders as there are."""
        members: int = await self._connection.fetchval(_MEMBERS, MEMBER_LOCKS)
        return -(-SHARDS // max(1, members))

    def surplus(self, fair: int) -> list[int]:
        """Return which of our shards others should have; they stay ours until `release`."""
        return sorted(self.owned)[fair:]

    async def release(self, shards: Iterable[int]) -> None:
        """Give shards away."""
        for shard in shards:
            await self._connection.execute("SELECT pg_advisory_unlock($1, $2)", TRADER_LOCKS, shard)
            self.owned.discard(shard)

    async def claim(self, fair: int) -> None:
        """Take shards that nobody owns until we have a fair share."""
        for shard in range(SHARDS):
            if len(self.owned) >= fair:
                return
            if shard not in self.owned and await self._connection.fetchval(
                "SELECT pg_try_advisory_lock($1, $2)", TRADER_LOCKS, shard
            ):
                self.owned.add(shard)

    async def busy(self) -> dict[int, int]:
        """Return the users of our shards whose accounts trades may change, with their versions."""
        rows = await self._connection.fetch(_BUSY, sorted(self.owned))
        return {row["user_id"]: row["version"] for row in rows}
