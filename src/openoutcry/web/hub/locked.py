"""A talk behind a sign-in, on the paths that have no words for one of their own."""

from __future__ import annotations

import asyncio
from typing import Final

from openoutcry.errors import StoreUnavailableError, UnauthorizedError
from openoutcry.web.hub.connection import Talk
from openoutcry.web.hub.guard import Badge, Guard
from openoutcry.web.hub.protocol import CloseCode

MOST_WAITING: Final = 64
"""Messages that may wait for the sign-in; more close the connection."""


class LockedTalk:
    """Begins `talk` once the credential of the upgrade request has been found good."""

    def __init__(self, talk: Talk, badge: Badge, guard: Guard, credential: str) -> None:
        self._talk = talk
        self._badge = badge
        self._guard = guard
        self._credential = credential
        self._waiting: list[bytes] | None = []
        self._opening: asyncio.Task[None] | None = None
        self.ping_seconds = talk.ping_seconds
        self.pong_seconds = talk.pong_seconds
        self.max_message = talk.max_message
        self.admits = talk.admits
        self.ping = talk.ping

    def start(self) -> None:
        """Ask who it is; say nothing yet."""
        self._opening = asyncio.create_task(self._open())

    def receive(self, message: bytes) -> None:
        """Pass a message on, later if need be."""
        if self._waiting is None:
            self._talk.receive(message)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(message)
        else:
            self._badge.close(CloseCode.BAD_PROTOCOL)

    def farewell(self) -> None:
        """Say it if anything was said."""
        if self._waiting is None:
            self._talk.farewell()

    def stop(self) -> None:
        """Let go of everything."""
        if self._opening is not None:
            self._opening.cancel()
        self._guard.forget(self._badge)
        if self._waiting is None:
            self._talk.stop()

    async def _open(self) -> None:
        try:
            identity = await self._guard.identify(self._credential)
        except UnauthorizedError:
            self._badge.close(CloseCode.INVALID_TOKEN)
            return
        except StoreUnavailableError:
            self._badge.close(CloseCode.UNAVAILABLE)
            return
        self._guard.let_in(self._badge, identity)
        waiting, self._waiting = self._waiting or [], None
        self._talk.start()
        for message in waiting:
            self._talk.receive(message)
