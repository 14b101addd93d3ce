"""What every desk of the Binance surface needs, and what each of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from openoutcry.web.hub.binance_topics import Publication
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.sources import Bus, Snapshots


class Desk(Protocol):
    """Whoever says what there is to say on some kinds of streams, while somebody listens."""

    def add(self, publication: Publication) -> None:
        """Begin to tell a stream."""

    def remove(self, publication: Publication) -> None:
        """Tell it no more."""

    def connected(self) -> None:
        """Messages of the bus may have been missed."""

    def second(self, beat: int) -> None:
        """Do what comes once a second; `beat` counts seconds."""


class Floor:
    """The sources that all desks share. `now` is the market's time in µs."""

    def __init__(self, bus: Bus, store: Snapshots, market: Market, now: Callable[[], int]) -> None:
        self.bus = bus
        self.store = store
        self.market = market
        self.now = now
        self.symbols = dict.fromkeys(market.symbols)
        """The symbols that are carried, in their order."""
        self.wanted: dict[str, int] = {}
        """The channels of the bus that desks listen to."""
        self._tasks: set[asyncio.Task[None]] = set()

    def want(self, channel: str) -> None:
        """Hear a channel of the bus. Each `want` needs its `unwant`."""
        self.wanted[channel] = self.wanted.get(channel, 0) + 1
        self.bus.want(channel)

    def unwant(self, channel: str) -> None:
        """Hear a channel no more."""
        self.bus.unwant(channel)
        self.wanted[channel] -= 1
        if not self.wanted[channel]:
            del self.wanted[channel]

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside all else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Stop whatever was started."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def idle(task: asyncio.Task[None] | None) -> bool:
    """Return whether a task is done or was never begun."""
    return task is None or task.done()
