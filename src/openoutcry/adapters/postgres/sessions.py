"""Sessions as rows: begun, refreshed, listed and ended; a session that has ended has no row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, connection, fetch
from openoutcry.model import Role, User

MOST_SESSIONS: Final = 100
"""Of one user; the one that was not used for longest goes first."""

# Locks the user's row: somebody who disables the user or changes the password is either done, and then
# there is nothing to insert, or has to wait and will see the session.
BEGIN: Final = """
INSERT INTO sessions (user_id, family_hash, refresh_hash, user_agent, address, expires_at)
SELECT id, $3, $4, $5, $6, now() + $7 * interval '1 second'
FROM users WHERE id = $1 AND password_changed_at = $2 AND NOT disabled FOR SHARE
RETURNING id
"""

TIDY: Final = """
DELETE FROM sessions WHERE user_id = $1 AND (expires_at <= now() OR id IN (
    SELECT id FROM sessions WHERE user_id = $1 ORDER BY last_used_at DESC, id OFFSET $2))
"""

ROTATE: Final = """
UPDATE sessions SET refresh_hash = $3, last_used_at = now(),
    expires_at = now() + $4 * interval '1 second'
FROM users
WHERE family_hash = $1 AND refresh_hash = $2 AND expires_at > now()
  AND users.id = sessions.user_id AND NOT users.disabled
RETURNING sessions.id AS session, users.id, users.name, users.role
"""

END_REUSED: Final = """
DELETE FROM sessions WHERE family_hash = $1 AND refresh_hash <> $2 RETURNING id
"""

READ: Final = """
SELECT users.id, users.name, users.role,
    sessions.last_used_at < now() - interval '1 minute' AS untouched
FROM sessions JOIN users ON users.id = sessions.user_id
WHERE sessions.id = $1 AND users.id = $2 AND expires_at > now() AND NOT users.disabled
"""

IN_FORCE: Final = """
SELECT sessions.id FROM sessions JOIN users ON users.id = sessions.user_id
WHERE sessions.id = ANY($1::uuid[]) AND expires_at > now() AND NOT users.disabled
"""

TOUCH: Final = """
UPDATE sessions SET last_used_at = now()
WHERE id = $1 AND last_used_at < now() - interval '1 minute'
"""

LIST: Final = """
SELECT id, user_agent, address, created_at, last_used_at, expires_at
FROM sessions WHERE user_id = $1 AND expires_at > now() ORDER BY last_used_at DESC, id
"""

END: Final = "DELETE FROM sessions WHERE user_id = $1 AND id = $2 RETURNING id"
END_ALL: Final = "DELETE FROM sessions WHERE user_id = $1 RETURNING id"


class Session(Struct, frozen=True):
    """Somewhere that a user is signed in; times in µs."""

    id: str
    user_agent: str
    address: str
    created_time: int
    last_used_time: int
    expires_time: int


class Reused(Struct, frozen=True):
    """A refresh token was used before, so this session has ended."""

    session: str


async def begin_session(
    pool: Pool,
    user_id: int,
    password_changed_time: int,
    hashes: tuple[bytes, bytes],
    *,
    seen: tuple[str, str],
    seconds: int,
) -> str | None:
    """Begin a session and return its id; None if the user may no longer, or has another password.

    `hashes` are those of the refresh token's family and of the token, `seen` are user agent and
    address; it ends in `seconds` unless refreshed. Sessions beyond the most a user may have end.
    """
    async with connection(pool) as lent, lent.transaction():
        session = await lent.fetchval(
            BEGIN, user_id, password_changed_time, *hashes, *seen, seconds
        )
        if session is not None:
            await lent.execute(TIDY, user_id, MOST_SESSIONS)
    return None if session is None else str(session)


async def rotate(
    pool: Pool, family_hash: bytes, before: bytes, after: bytes, seconds: int
) -> tuple[User, str] | Reused | None:
    """Put a new refresh token into the place of the newest one; return whose and which session.

    A token of the family that is not the newest has been used before: the session ends (Reused). Of
    two who show the newest at the same time, one is too late and ends it. None: there is no such.
    """
    rows = await fetch(pool, ROTATE, family_hash, before, after, seconds)
    if rows:
        return _user(rows[0]), str(rows[0]["session"])
    ended = await fetch(pool, END_REUSED, family_hash, before)
    return Reused(str(ended[0]["id"])) if ended else None


async def read_session(pool: Pool, session: str, user_id: int) -> User | None:
    """Return the user of a session that has not ended, and note that it is in use.

    The note is made at most once a minute. Raises StoreUnavailableError.
    """
    rows = await fetch(pool, READ, session, user_id)
    if rows and rows[0]["untouched"]:
        await fetch(pool, TOUCH, session)
    return _user(rows[0]) if rows else None


async def sessions_in_force(pool: Pool, sessions: Collection[str]) -> set[str]:
    """Return which of these sessions have not ended. Raises StoreUnavailableError."""
    return {str(row["id"]) for row in await fetch(pool, IN_FORCE, list(sessions))}


async def list_sessions(pool: Pool, user_id: int) -> list[Session]:
    """Return a user's sessions, the one used last first."""
    return [
        Session(
            id=str(row["id"]),
            user_agent=row["user_agent"],
            address=row["address"],
            created_time=row["created_at"],
            last_used_time=row["last_used_at"],
            expires_time=row["expires_at"],
        )
        for row in await fetch(pool, LIST, user_id)
    ]


async def end_session(pool: Pool, user_id: int, session: str) -> bool:
    """End a session of this user; False if they have none of that id."""
    return bool(await fetch(pool, END, user_id, session))


async def end_sessions(pool: Pool, user_id: int) -> int:
    """End every session of a user; return how many there were."""
    return len(await fetch(pool, END_ALL, user_id))


def _user(row: asyncpg.Record) -> User:
    return User(row["id"], row["name"], Role(row["role"]))
