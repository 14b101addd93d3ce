"""Keys of exchanges as rows: sealed, one for each user and exchange."""

from __future__ import annotations

from typing import Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, connection, fetch
from openoutcry.errors import ConflictError

_COLUMNS: Final = "id, exchange, name, hint, created_at"

ADD: Final = f"""
INSERT INTO exchange_keys (user_id, exchange, name, hint, sealed) VALUES ($1, $2, $3, $4, $5)
RETURNING {_COLUMNS}
"""
LIST: Final = f"SELECT {_COLUMNS} FROM exchange_keys WHERE user_id = $1 ORDER BY exchange"
SEALED: Final = "SELECT name, sealed FROM exchange_keys WHERE user_id = $1 AND exchange = $2"
LOCK: Final = "SELECT exchange FROM exchange_keys WHERE user_id = $1 AND id = $2 FOR UPDATE"
IN_USE: Final = """
SELECT EXISTS (
    SELECT FROM bots WHERE user_id = $1 AND exchange = $2 AND deleted_at IS NULL
      AND (status = 'ACTIVE' OR EXISTS (
        SELECT FROM orders WHERE orders.bot_id = bots.id
          AND orders.status IN ('PENDING', 'PARTIALLY_FILLED')))
)
"""
REMOVE: Final = "DELETE FROM exchange_keys WHERE user_id = $1 AND id = $2"


class ExchangeKey(Struct, frozen=True):
    """What may be told of a key: everything but the key. `hint` is its end; time in µs."""

    id: int
    exchange: str
    name: str
    hint: str
    created_time: int


class SealedKey(Struct, frozen=True):
    """A key as it is stored, and what it is called."""

    name: str
    sealed: bytes


async def add_key(
    pool: Pool, user_id: int, *, exchange: str, name: str, hint: str, sealed: bytes
) -> ExchangeKey:
    """Store a key. Raises ConflictError if the user has one of that exchange."""
    try:
        rows = await fetch(pool, ADD, user_id, exchange, name, hint, sealed)
    except asyncpg.UniqueViolationError:
        raise ConflictError(
            f"There is a key of {exchange} already; remove it first, then add the new one."
        ) from None
    return _key(rows[0])


async def list_keys(pool: Pool, user_id: int) -> list[ExchangeKey]:
    """Return a user's keys, without what is sealed."""
    return [_key(row) for row in await fetch(pool, LIST, user_id)]


async def sealed_key(pool: Pool, user_id: int, exchange: str) -> SealedKey | None:
    """Return a user's key of an exchange, None without one."""
    rows = await fetch(pool, SEALED, user_id, exchange)
    return SealedKey(rows[0]["name"], rows[0]["sealed"]) if rows else None


async def remove_key(pool: Pool, user_id: int, key_id: int) -> bool:
    """Remove a key; False if this user has none of that id.

    Raises ConflictError while bots or orders need it: nobody could cancel them.
    """
    async with connection(pool) as lent, lent.transaction():
        exchange = await lent.fetchval(LOCK, user_id, key_id)
        if exchange is None:
            return False
        if await lent.fetchval(IN_USE, user_id, exchange):
            raise ConflictError(
                f"Bots are at work at {exchange}, or have orders there; stop them first."
            )
        await lent.execute(REMOVE, user_id, key_id)
    return True


def _key(row: asyncpg.Record) -> ExchangeKey:
    return ExchangeKey(row["id"], row["exchange"], row["name"], row["hint"], row["created_at"])
