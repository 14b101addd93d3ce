"""API keys as rows: made, found by prefix, listed and revoked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, connection, fetch
from openoutcry.errors import BadRequestError
from openoutcry.model import Role, Scope, User

MOST_KEYS: Final = 100
"""Of one user that are not revoked; so many revoked ones are remembered."""

_COLUMNS: Final = "prefix, name, scopes, created_at, last_used_at, expires_at, revoked_at"

LOCK_USER: Final = "SELECT id FROM users WHERE id = $1 FOR UPDATE"
COUNT: Final = "SELECT count(*) FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL"
ADD: Final = f"""
INSERT INTO api_keys (user_id, prefix, secret_hash, name, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + $6::float8 * interval '1 day')
RETURNING {_COLUMNS}
"""
TIDY: Final = """
DELETE FROM api_keys WHERE id IN (
    SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NOT NULL
    ORDER BY revoked_at DESC, id OFFSET $2)
"""
FIND: Final = """
SELECT users.id, users.name, users.role, secret_hash, scopes, expires_at,
    coalesce(last_used_at < now() - interval '1 minute', true) AS untouched
FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE prefix = $1 AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
  AND NOT users.disabled
"""
IN_FORCE: Final = """
SELECT prefix FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE prefix = ANY($1::text[]) AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
  AND NOT users.disabled
"""
TOUCH: Final = """
UPDATE api_keys SET last_used_at = now()
WHERE prefix = $1 AND coalesce(last_used_at < now() - interval '1 minute', true)
"""
LIST: Final = (
    f"SELECT {_COLUMNS} FROM api_keys WHERE user_id = $1 ORDER BY created_at DESC, id DESC"
)
REVOKE: Final = """
UPDATE api_keys SET revoked_at = now()
WHERE prefix = $1 AND revoked_at IS NULL AND coalesce(user_id = $2, true) RETURNING id
"""


class ApiKey(Struct, frozen=True):
    """What may be told of a key: everything but the secret. Times in µs."""

    prefix: str
    name: str
    scopes: tuple[Scope, ...]
    created_time: int
    last_used_time: int | None
    expires_time: int | None
    revoked_time: int | None


class FoundKey(Struct, frozen=True):
    """A key that is in force, if the secret's hash is this one."""

    user: User
    secret_hash: bytes
    scopes: tuple[Scope, ...]
    expires_time: int | None
    untouched: bool


async def add_key(
    pool: Pool,
    user_id: int,
    prefix: str,
    secret_hash: bytes,
    *,
    name: str,
    scopes: Sequence[Scope],
    days: float | None,
) -> ApiKey:
    """Store a new key, for good or for so many days. Raises BadRequestError if there are too many."""
    texts = [scope.value for scope in scopes]
    async with connection(pool) as lent, lent.transaction():
        await lent.fetchval(LOCK_USER, user_id)  # two requests at once may not both be the last
        if await lent.fetchval(COUNT, user_id) >= MOST_KEYS:
            raise BadRequestError(f"There are {MOST_KEYS} keys; revoke one that is not needed.")
        row = await lent.fetchrow(ADD, user_id, prefix, secret_hash, name, texts, days)
        await lent.execute(TIDY, user_id, MOST_KEYS)
    return _key(row)


async def find_key(pool: Pool, prefix: str) -> FoundKey | None:
    """Return the key of that prefix if it is in force and its user is not disabled."""
    rows = await fetch(pool, FIND, prefix)
    if not rows:
        return None
    row = rows[0]
    return FoundKey(
        user=User(row["id"], row["name"], Role(row["role"])),
        secret_hash=row["secret_hash"],
        scopes=tuple(map(Scope, row["scopes"])),
        expires_time=row["expires_at"],
        untouched=row["untouched"],
    )


async def keys_in_force(pool: Pool, prefixes: Collection[str]) -> set[str]:
    """Return which of these keys are in force. Raises StoreUnavailableError."""
    return {row["prefix"] for row in await fetch(pool, IN_FORCE, list(prefixes))}


async def touch_key(pool: Pool, prefix: str) -> None:
    """Note that a key is in use, at most once a minute."""
    await fetch(pool, TOUCH, prefix)


async def list_keys(pool: Pool, user_id: int) -> list[ApiKey]:
    """Return a user's keys, newest first, revoked ones among them."""
    return [_key(row) for row in await fetch(pool, LIST, user_id)]


async def revoke_key(pool: Pool, prefix: str, user_id: int | None) -> bool:
    """Revoke a key of this user (None: of whomever); False if there is none in force."""
    return bool(await fetch(pool, REVOKE, prefix, user_id))


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        prefix=row["prefix"],
        name=row["name"],
        scopes=tuple(map(Scope, row["scopes"])),
        created_time=row["created_at"],
        last_used_time=row["last_used_at"],
        expires_time=row["expires_at"],
        revoked_time=row["revoked_at"],
    )
