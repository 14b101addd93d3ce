"""Users with an outbox: rows as the trader commits them, for tests of what comes after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import asyncpg

ADD = """
WITH moved AS (
    UPDATE trading_accounts SET position = position + $2, version = version + 1
    WHERE user_id = $1 RETURNING position - $2 AS before
)
INSERT INTO outbox (user_id, position, type, data, time)
SELECT $1, before + at, type, data, now()
FROM moved, unnest($3::text[], $4::text[]) WITH ORDINALITY AS one (type, data, at)
ORDER BY at
"""


async def add_trader(db: Any, name: str = "ada") -> int:
    """Add a user with a trading account and return its id."""
    user_id: int = await db.fetchval(
        "INSERT INTO users (name, role, password_hash) VALUES ($1, 'user', '$argon2id$x')"
        " RETURNING id",
        name,
    )
    await db.execute("INSERT INTO trading_accounts (user_id) VALUES ($1)", user_id)
    return user_id


async def commit(
    db: Any, user_id: int, *data: Any, kind: str = "log_created", kinds: Sequence[str] = ()
) -> None:
    """Commit messages of a user in one transaction, as the trader does."""
    await db.execute(
        ADD,
        user_id,
        len(data),
        list(kinds) or [kind] * len(data),
        [json.dumps(one) for one in data],
    )


async def epoch_of(db: asyncpg.Connection | asyncpg.Pool) -> str:
    """Return the database's epoch."""
    epoch: str = await db.fetchval("SELECT epoch FROM trading_epoch")
    return epoch


def fill(day: str) -> dict[str, Any]:
    """Return the data of an `order_filled` on a day."""
    return {"order": {"client_order_id": "oo-1-1"}, "fill": {"time": f"{day}T12:00:00.000Z"}}
