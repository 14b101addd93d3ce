"""What a user has, read in one moment together with the offset of their newest message."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, connection, fetch
from openoutcry.adapters.postgres.trading_accounts import read_account
from openoutcry.adapters.postgres.trading_rows import log_of
from openoutcry.core.trading.wire import snapshot_body
from openoutcry.core.user_messages import Position

NEWEST_LOGS: Final = 50

POSITION: Final = """
SELECT coalesce((SELECT position FROM trading_accounts WHERE user_id = $1), 0) AS position, epoch
FROM trading_epoch
"""
LOGS: Final = """
SELECT id, level, message, time, bot_id FROM activity_logs
WHERE user_id = $1 ORDER BY id DESC LIMIT $2
"""
# Of a user, messages are published in order: what comes before the first that was not, was.
PUBLISHED: Final = """
SELECT coalesce(
    (SELECT min(position) - 1 FROM outbox WHERE user_id = $1 AND published_at IS NULL),
    (SELECT position FROM trading_accounts WHERE user_id = $1), 0) AS position, epoch
FROM trading_epoch
"""


class Snapshot(Struct, frozen=True):
    """What a user has: JSON (`core.trading.wire.SnapshotBody`), and where it is true."""

    data: bytes
    at: Position


class PrivateReader:
    """The hub's private snapshots, from a pool by `open_pool`. Raises StoreUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def snapshot(self, user_id: int) -> Snapshot:
        """Return bots, open orders, the newest log entries and balances, all of one moment.

        A user without an account has none of them, at offset 0.
        """
        async with (
            connection(self._pool) as lent,
            lent.transaction(isolation="repeatable_read", readonly=True),
        ):
            head = await lent.fetchrow(POSITION, user_id)
            account = await read_account(lent, user_id)
            rows = await lent.fetch(LOGS, user_id, NEWEST_LOGS)
        logs = [(entry.id, entry) for entry in map(log_of, rows)]
        bots = account.bots.values() if account else ()
        orders = account.orders.values() if account else ()
        body = snapshot_body(bots, orders, logs, account.balances if account else {})
        return Snapshot(msgspec.json.encode(body), Position(head["position"], head["epoch"]))

    async def published(self, user_id: int) -> Position:
        """Return how far a user's messages have been published, as far as the store knows."""
        (row,) = await fetch(self._pool, PUBLISHED, user_id)
        return Position(row["position"], row["epoch"])
