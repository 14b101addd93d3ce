"""A new snapshot over REST: asked for by whoever leads all processes, awaited by everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.core.prices import Snapshot
from openoutcry.errors import StoreUnavailableError
from openoutcry.services.price_asker import Asker
from openoutcry.services.price_shelf import Shelf

log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 2.0
"""How long a process that leads may be silent before another takes over."""
POLL_SECONDS: Final = 0.2
"""How often who follows looks whether the leader is gone."""
FIRST_SECONDS: Final = 1.5
"""How long a stream that was alive a moment ago is waited for at the start."""


async def take_shared(shelf: Shelf, board: PriceBoard) -> None:
    """Take over the snapshot that all processes share, if it is newer than ours."""
    with suppress(StoreUnavailableError):
        shared = await board.read()
        # What was read before a clear and comes after it must not bring the old prices back.
        known = shelf.cleared if shelf.snapshot is None else shelf.snapshot.time
        if shared is not None and shared.time > known:
            tickers = {ticker.symbol: ticker for ticker in shared.tickers}
            shelf.adopt(Snapshot(tickers, shared.time, "rest"))


async def within(seconds: float, waiting: Callable[[], Awaitable[object]]) -> None:
    """Wait for something, no longer than this."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiting()


class Refresher:
    """Refreshes the shelf, once at a time; `loaded` says when the start is over."""

    def __init__(self, shelf: Shelf, board: PriceBoard, asker: Asker) -> None:
        self.loaded = asyncio.Event()
        self.loaded.set()
        self.task: asyncio.Task[None] | None = None
        """The refresh that is under way."""
        self._shelf = shelf
        self._board = board
        self._asker = asker

    def begin(self, fresh: float) -> bool:
        """Start a refresh unless one runs or none may; return whether there is one to wait for.

        It ends when the snapshot is younger than `fresh` (s).
        """
        if self.task is not None:
            return True
        shelf = self._shelf
        if shelf.streaming or shelf.clock() < shelf.quiet_until:
            return False
        self.task = asyncio.create_task(self._refresh(fresh))
        return True

    async def _refresh(self, fresh: float) -> None:
        shelf = self._shelf
        shelf.stats.refreshes += 1
        try:
            await within(FIRST_SECONDS + 1, self.loaded.wait)
            await take_shared(shelf, self._board)
            while not self._done(fresh):
                try:
                    token = await self._board.lead(LEASE_SECONDS)
                except StoreUnavailableError:
                    await self._fetch()
                    return
                if token is not None:
                    await self._lead(token, fresh)
                    return
                shelf.stats.followed += 1
                failed = shelf.stats.last_error_time
                await within(POLL_SECONDS, shelf.news.wait)
                if shelf.stats.last_error_time != failed:
                    return
        except Exception as error:
            log.exception("prices cannot be refreshed")
            shelf.note_failure(repr(error), shelf.clock() + shelf.rules.backoff)
        finally:
            self.task = None
            shelf.tell()

    def _done(self, fresh: float) -> bool:
        shelf = self._shelf
        if shelf.streaming:
            return True
        return shelf.snapshot is not None and shelf.clock() - shelf.snapshot.time < fresh

    async def _fetch(self) -> None:
        found = await self._asker.ask(lambda: not self._shelf.streaming)
        if found is not None:
            self._shelf.adopt(found)

    async def _lead(self, token: str, fresh: float) -> None:
        renewing = asyncio.create_task(self._renew(token))
        try:
            # Another may have finished between our look and our turn.
            await take_shared(self._shelf, self._board)
            if not self._done(fresh):
                await self._fetch()
        finally:
            renewing.cancel()
            with suppress(StoreUnavailableError):
                await self._board.release(token)

    async def _renew(self, token: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            with suppress(StoreUnavailableError):
                if not await self._board.renew(token, LEASE_SECONDS):
                    return
