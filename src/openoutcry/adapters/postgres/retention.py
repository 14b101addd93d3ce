"""Rows that only tell how it was, removed when they are old: the activity log and samples of equity.

Orders, fills and balances are the ledger and stay. A batch is one statement and one transaction, so
nobody waits for long: rows are found by an index and removed by where they lie. None of them is ever
changed, and two who remove the same are harmless.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.times import from_us, to_us

AT_ONCE: Final = 2_000


class Aging(Struct, frozen=True):
    """A table whose rows grow old: its newest time, and how a batch of its oldest is removed."""

    newest: str
    remove: str


# The log goes by its primary key: who is behind on ids is behind on time, but for moments.
AGING: Final = {
    "activity_logs": Aging(
        "SELECT time FROM activity_logs ORDER BY id DESC LIMIT 1",
        """
DELETE FROM activity_logs WHERE time < $1
  AND ctid = ANY (ARRAY(SELECT ctid FROM activity_logs ORDER BY id LIMIT $2))
""",
    ),
    "equity_points": Aging(
        "SELECT max(time) FROM equity_points",
        """
DELETE FROM equity_points WHERE time < $1
  AND ctid = ANY (ARRAY(SELECT ctid FROM equity_points WHERE time < $1 ORDER BY time LIMIT $2))
""",
    ),
}


async def newest(connection: asyncpg.Connection[Any], table: str) -> int | None:
    """Return the time (µs) of the newest row of a table of AGING; None of an empty one."""
    found = await connection.fetchval(AGING[table].newest)
    return None if found is None else to_us(found)


async def remove_batch(
    connection: asyncpg.Connection[Any], table: str, before: int, at_once: int = AT_ONCE
) -> int:
    """Remove the oldest rows of a table of AGING that are older than `before` (µs); return how many."""
    done = await connection.execute(AGING[table].remove, from_us(before), at_once)
    return int(done.split()[-1])
