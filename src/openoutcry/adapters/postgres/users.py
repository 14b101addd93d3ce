"""Users as rows, and the installation's signing secret."""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Connection, Pool, connection, fetch, fetch_value
from openoutcry.errors import ConflictError, NotFoundError
from openoutcry.model import Role, User

_COLUMNS: Final = "id, name, role, password_hash, password_changed_at, disabled, created_at"
_NAMED: Final = """lower(name COLLATE "C") = lower($1 COLLATE "C")"""

ADD: Final = "INSERT INTO users (name, role, password_hash) VALUES ($1, $2, $3) RETURNING id"
FIND: Final = f"SELECT {_COLUMNS} FROM users WHERE {_NAMED}"
LIST: Final = f"SELECT {_COLUMNS} FROM users ORDER BY id"
PAGE: Final = f"SELECT {_COLUMNS} FROM users WHERE id > $1 ORDER BY id LIMIT $2"
NAME: Final = "SELECT name FROM users WHERE id = $1"
DISABLE: Final = f"UPDATE users SET disabled = $2 WHERE {_NAMED} RETURNING id, name, role"
PASSWORD: Final = f"""
UPDATE users SET password_hash = $2, password_changed_at = now() WHERE {_NAMED}
RETURNING id, name, role
"""
ROLE: Final = f"UPDATE users SET role = $2 WHERE {_NAMED} RETURNING id, name, role"
# Only if the password is still the one that was shown, and its owner still in.
OWN_PASSWORD: Final = """
UPDATE users SET password_hash = $3, password_changed_at = now()
WHERE id = $1 AND password_changed_at = $2 AND NOT disabled RETURNING id
"""  # noqa: S105 - a statement
REHASH: Final = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
END_SESSIONS: Final = "DELETE FROM sessions WHERE user_id = $1"
END_OTHERS: Final = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2 RETURNING id"
READ_SECRET: Final = "SELECT signing_secret FROM installation"  # noqa: S105 - a statement
ADD_SECRET: Final = """
INSERT INTO installation (signing_secret) VALUES ($1) ON CONFLICT DO NOTHING
"""  # noqa: S105 - a statement


class StoredUser(Struct, frozen=True):
    """A user with what only the store and the sign-in know."""

    user: User
    password_hash: str
    password_changed_time: int
    disabled: bool
    created_time: int


async def add_user(pool: Pool, name: str, role: Role, password_hash: str) -> User:
    """Store a new user. Raises ConflictError if the name is taken, in whatever case."""
    try:
        number = await fetch_value(pool, ADD, name, role.value, password_hash)
    except asyncpg.UniqueViolationError:
        raise ConflictError(f"There is a user {name!r} already; choose another name.") from None
    return User(number, name, role)


async def find_user(pool: Pool, name: str) -> StoredUser | None:
    """Return the user of that name, in whatever case."""
    rows = await fetch(pool, FIND, name)
    return _stored(rows[0]) if rows else None


async def list_users(pool: Pool) -> list[StoredUser]:
    """Return every user, oldest first."""
    return [_stored(row) for row in await fetch(pool, LIST)]


async def page_of_users(pool: Pool, after: int, limit: int) -> list[StoredUser]:
    """Return so many users behind an id, oldest first."""
    return [_stored(row) for row in await fetch(pool, PAGE, after, limit)]


async def name_of(pool: Pool, user_id: int) -> str | None:
    """Return what the user of that id is called, None if there is none."""
    name: str | None = await fetch_value(pool, NAME, user_id)
    return name


async def set_disabled(pool: Pool, name: str, disabled: bool) -> User:
    """Shut a user out, ending every session, or let them in again. Raises NotFoundError."""
    async with connection(pool) as lent, lent.transaction():
        return await _changed(lent, disabled, DISABLE, name, disabled)


async def set_password(pool: Pool, name: str, password_hash: str) -> User:
    """Store another password and end every session. Raises NotFoundError."""
    async with connection(pool) as lent, lent.transaction():
        return await _changed(lent, True, PASSWORD, name, password_hash)


async def set_role(pool: Pool, name: str, role: Role) -> User:
    """Let a user be an admin, or no more. Sessions go on. Raises NotFoundError."""
    async with connection(pool) as lent:
        return await _changed(lent, False, ROLE, name, role.value)


async def change_password(
    pool: Pool, user_id: int, before: int, password_hash: str, session: str
) -> int | None:
    """Store a user's own new password and end every session but this one; return how many ended.

    `before` is when the password that was shown had been set. None: it was changed meanwhile, or the
    user disabled.
    """
    async with connection(pool) as lent, lent.transaction():
        # As in `_changed`: the row is locked before sessions are looked for.
        if await lent.fetchval(OWN_PASSWORD, user_id, before, password_hash) is None:
            return None
        return len(await lent.fetch(END_OTHERS, user_id, session))


async def rehash(pool: Pool, user_id: int, before: str, after: str) -> None:
    """Store the same password hashed as is right today, unless it was changed meanwhile."""
    await fetch(pool, REHASH, user_id, before, after)


async def signing_secret(pool: Pool, fresh: bytes) -> bytes:
    """Return the installation's secret; the first who asks for one brings it as `fresh`."""
    found = await fetch_value(pool, READ_SECRET)
    if found is None:
        await fetch(pool, ADD_SECRET, fresh)
        found = await fetch_value(pool, READ_SECRET)
    return bytes(found)


async def _changed(lent: Connection, end: bool, sql: str, *args: Any) -> User:
    # The change locks the row before the sessions are looked for: a sign-in at the same moment has
    # either added its session by then, or waits and sees the change.
    row = await lent.fetchrow(sql, *args)
    if row is None:
        raise NotFoundError(f"There is no user {args[0]!r}.")
    if end:
        await lent.execute(END_SESSIONS, row["id"])
    return User(row["id"], row["name"], Role(row["role"]))


def _stored(row: asyncpg.Record) -> StoredUser:
    return StoredUser(
        user=User(row["id"], row["name"], Role(row["role"])),
        password_hash=row["password_hash"],
        password_changed_time=row["password_changed_at"],
        disabled=row["disabled"],
        created_time=row["created_at"],
    )
