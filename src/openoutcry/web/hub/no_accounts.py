"""A hub without accounts: nobody can sign in, so nothing private is ever asked for."""

from __future__ import annotations

from openoutcry.adapters.postgres.private_reader import Snapshot
from openoutcry.adapters.valkey.user_history import Message
from openoutcry.core.user_messages import Position
from openoutcry.errors import StoreUnavailableError
from openoutcry.services.identity import Identity

_WHY = "This hub has no accounts."


class NoAccounts:
    """Stands in the place of `guard.Access`, `private.History` and `private.PrivateStore`."""

    async def of(self, credential: str) -> Identity:
        """Raise StoreUnavailableError."""
        del credential
        raise StoreUnavailableError(_WHY)

    async def ended(self, sessions: set[str], keys: set[str]) -> set[str]:
        """Return nobody."""
        del sessions, keys
        return set()

    async def last(self, user_id: int) -> Position | None:
        """Return nothing."""
        del user_id
        return None

    async def between(self, user_id: int, epoch: str, first: int, last: int) -> list[Message]:
        """Return nothing."""
        del user_id, epoch, first, last
        return []

    async def snapshot(self, user_id: int) -> Snapshot:
        """Raise StoreUnavailableError."""
        del user_id
        raise StoreUnavailableError(_WHY)

    async def published(self, user_id: int) -> Position:
        """Raise StoreUnavailableError."""
        del user_id
        raise StoreUnavailableError(_WHY)
