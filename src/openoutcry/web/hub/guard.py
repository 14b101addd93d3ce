"""Who is signed in on which connection, for how long, and whether they still are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from openoutcry.adapters.tasks import end
from openoutcry.errors import StoreUnavailableError
from openoutcry.services.identity import Identity
from openoutcry.web.hub.protocol import CloseCode

CHECK_SECONDS: Final = 3.0
"""How often the store is asked who has been signed out, disabled or revoked: one question for all."""
PATIENCE_SECONDS: Final = 5.0
"""How long a check of a credential may take."""

log = structlog.get_logger(__name__)


class Access(Protocol):
    """Knows who shows a credential. Raises UnauthorizedError, StoreUnavailableError."""

    async def of(self, credential: str) -> Identity:
        """Return who shows this."""

    async def ended(self, sessions: set[str], keys: set[str]) -> set[str]:
        """Return which of these sessions and keys are no more: signed out, revoked or disabled."""


class Badge:
    """One connection's sign-in; `close` closes the connection."""

    __slots__ = ("close", "identity")

    def __init__(self, close: Callable[[CloseCode], None]) -> None:
        self.close = close
        self.identity: Identity | None = None


class Guard:
    """Closes the connections of those who are signed in no more. `now` is in Unix seconds.

    While the store cannot be asked, nobody is sent away but those whose token expires.
    """

    def __init__(self, access: Access, now: Callable[[], float] = time.time) -> None:
        self._access = access
        self._now = now
        self._badges: dict[Badge, None] = {}
        self._checking: asyncio.Task[None] | None = None
        self._due = 0.0

    def __len__(self) -> int:
        return len(self._badges)

    async def identify(self, credential: str) -> Identity:
        """Return who shows this. Raises UnauthorizedError, StoreUnavailableError."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._access.of(credential)
        except TimeoutError:
            raise StoreUnavailableError("The accounts do not answer.") from None

    def let_in(self, badge: Badge, identity: Identity) -> None:
        """Note who is on a connection, from now on or anew."""
        badge.identity = identity
        self._badges[badge] = None

    def forget(self, badge: Badge) -> None:
        """Note that a connection is gone."""
        self._badges.pop(badge, None)

    def tick(self, clock: float) -> None:
        """Close who has expired, and look after the others from time to time; `clock` in seconds."""
        now = self._now()
        for badge in [one for one in self._badges if one.identity and one.identity.until <= now]:
            badge.close(CloseCode.EXPIRED)
        if clock >= self._due and self._checking is None and self._badges:
            self._due = clock + CHECK_SECONDS
            self._checking = asyncio.create_task(self._check())

    async def aclose(self) -> None:
        """Stop looking."""
        if self._checking is not None:
            await end(self._checking)

    async def _check(self) -> None:
        try:
            known = [badge.identity for badge in self._badges if badge.identity]
            sessions = {one.session for one in known if one.session}
            keys = {one.key for one in known if one.key}
            ended = await self._access.ended(sessions, keys)
            for badge in tuple(self._badges) if ended else ():
                if badge.identity and (badge.identity.session or badge.identity.key) in ended:
                    badge.close(CloseCode.INVALID_TOKEN)
        except StoreUnavailableError as error:
            log.warning("hub.no_check", error=str(error))
        finally:
            self._checking = None
