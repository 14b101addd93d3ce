"""Who shows this credential: an access token or an API key, checked and remembered for seconds."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres.api_keys import find_key, keys_in_force, touch_key
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.sessions import read_session, sessions_in_force
from openoutcry.core import credentials
from openoutcry.errors import StoreUnavailableError, UnauthorizedError
from openoutcry.model import Scope, User
from openoutcry.services.tokens import AccessTokens

MOST_REMEMBERED: Final = 10_000
"""Credentials; beyond that the one that was checked longest ago is forgotten, and checked again."""

_NO_KEY: Final = "The API key is not valid: unknown, revoked, expired or its user disabled."
_NO_SESSION: Final = "The session has ended; sign in again."
_EVERYTHING: Final = frozenset(Scope)


class Identity(Struct, frozen=True):
    """A user, and by what they came: `session` is its id, or `key` the prefix of an API key.

    A session may do whatever its user may; a key only what its scopes name. `until` is in Unix
    seconds.
    """

    user: User
    scopes: frozenset[Scope]
    until: float
    session: str = ""
    key: str = ""


class Identities:
    """Finds out who shows a credential, and remembers it for `ttl` seconds.

    So a key that was revoked, a session that has ended or a user that was disabled, by whichever
    process, is out after `ttl` seconds at the latest. Who come together share a look-up.
    """

    def __init__(
        self,
        pool: Pool,
        tokens: AccessTokens,
        ttl: float = 5.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._ttl = ttl
        self._now = now
        self._known: dict[bytes, tuple[Identity, float]] = {}
        self._asked: dict[bytes, asyncio.Task[Identity]] = {}

    async def of(self, credential: str) -> Identity:
        """Return who shows this. Raises UnauthorizedError, StoreUnavailableError."""
        name = _name(credential)
        known = self._known.get(name)
        if known and time.monotonic() < known[1] and self._now() < known[0].until:
            return known[0]
        task = self._asked.get(name)
        if task is None:
            task = asyncio.create_task(self._remember(name, credential))
            self._asked[name] = task
            task.add_done_callback(lambda done: self._answered(name, done))
        # Who gives up leaves the others their answer.
        return await asyncio.shield(task)

    def has_been_right(self, credential: str) -> bool:
        """Return whether this one was right when it was last looked up here, or is looked up now."""
        name = _name(credential)
        return name in self._known or name in self._asked

    def forget(self, which: Callable[[Identity], bool]) -> None:
        """Check those again who are next; in this process at once, elsewhere within `ttl`."""
        for name in [name for name, (known, _) in self._known.items() if which(known)]:
            del self._known[name]

    async def ended(self, sessions: set[str], keys: set[str]) -> set[str]:
        """Return which of these sessions and keys are no more: signed out, revoked, expired, disabled.

        For long connections: two questions to the store, however many there are. Raises
        StoreUnavailableError.
        """
        ended = sessions - await sessions_in_force(self._pool, sessions) if sessions else set()
        return ended | (keys - await keys_in_force(self._pool, keys) if keys else set())

    async def _remember(self, name: bytes, credential: str) -> Identity:
        until = time.monotonic() + self._ttl  # counted from before the store was asked
        self._known.pop(name, None)
        if credential.startswith(f"{credentials.KEY}_"):
            found = await self._key(credential)
        else:
            found = await self._session(credential)
        while len(self._known) >= MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[name] = (found, until)
        return found

    def _answered(self, name: bytes, task: asyncio.Task[Identity]) -> None:
        del self._asked[name]
        if not task.cancelled():
            task.exception()  # has been seen, even if everybody who waited has left

    async def _key(self, text: str) -> Identity:
        shown = credentials.parse(credentials.KEY, text)
        found = await find_key(self._pool, shown.public) if shown else None
        if (
            shown is None
            or found is None
            or not credentials.same(credentials.digest(shown.secret), found.secret_hash)
        ):
            raise UnauthorizedError(_NO_KEY)
        if found.untouched:
            with suppress(StoreUnavailableError):  # the key is good all the same
                await touch_key(self._pool, shown.public)
        expires = float("inf") if found.expires_time is None else found.expires_time / 1e6
        return Identity(found.user, frozenset(found.scopes), expires, key=shown.public)

    async def _session(self, text: str) -> Identity:
        claims = await self._tokens.read(text)
        user = await read_session(self._pool, claims.session, claims.user_id)
        if user is None:
            raise UnauthorizedError(_NO_SESSION)
        return Identity(user, _EVERYTHING, claims.expires, session=claims.session)


def _name(credential: str) -> bytes:
    """Return its hash: a dump of this process's memory should not be a list of keys."""
    return hashlib.sha256(credential.encode(errors="replace")).digest()
