"""Hash and check passwords with argon2, off the event loop and never too many at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from openoutcry.errors import TooManyTriesError

if TYPE_CHECKING:
    from pwdlib import PasswordHash

# Each takes 64 MiB and about 0.1 s of both cores while it lasts.
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 64


def recommended() -> PasswordHash:
    """Return argon2id with the parameters that RFC 9106 recommends where memory is scarce.

    64 MiB, three passes, four lanes. Imported here: who never signs in does not load it.
    """
    from pwdlib import PasswordHash  # noqa: PLC0415

    return PasswordHash.recommended()


class Passwords:
    """Hashes and checks, two at a time; up to 64 wait, further ones are refused."""

    def __init__(self, make: Callable[[], PasswordHash] = recommended) -> None:
        self._make = make
        self._hasher: PasswordHash | None = None
        self._nobody = ""
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._first = asyncio.Lock()
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return the hash to be stored. Raises TooManyTriesError when too many wait."""
        async with self._turn() as hasher:
            return await asyncio.to_thread(hasher.hash, password)

    async def check(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Return whether this is the password, and a new hash if the stored one is of old parameters.

        Without a stored hash the answer is no, after the same work: against the hash of a password
        that nobody knows. Raises TooManyTriesError when too many wait.
        """
        async with self._turn() as hasher:
            right, better = await asyncio.to_thread(
                hasher.verify_and_update, password, stored or self._nobody
            )
        return right and stored is not None, better if stored else None

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[PasswordHash]:
        if self._waiting >= _MOST_WAITING:
            raise TooManyTriesError("Too many sign in just now; try again in a moment.", 2.0)
        self._waiting += 1
        try:
            async with self._turns:
                yield await self._loaded()
        finally:
            self._waiting -= 1

    async def _loaded(self) -> PasswordHash:
        async with self._first:
            if self._hasher is None:
                hasher = await asyncio.to_thread(self._make)
                # Before the first check of all, so that none of them is longer by it.
                self._nobody = await asyncio.to_thread(hasher.hash, secrets.token_urlsafe())
                self._hasher = hasher
            return self._hasher
