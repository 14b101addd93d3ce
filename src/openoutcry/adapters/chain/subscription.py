"""News of a chain's head: a subscription that comes back by itself, as a reason to look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp
import structlog

from openoutcry.adapters import tasks
from openoutcry.adapters.chain.rpc import RpcLimits
from openoutcry.adapters.chain.socket import NodeSocket
from openoutcry.core.backoff import Backoff
from openoutcry.errors import ChainError

log = structlog.get_logger(__name__)

_PING_SECONDS: Final = 15.0
_SILENT_SECONDS: Final = 120.0


class HeadSubscription:
    """Keeps `eth_subscribe newHeads` alive at one of several ws(s) URLs.

    `on_head` is called for every head that is told, and after each connect: heads may have come
    before. What a head says is not used: it may be of a fork that is gone by the time we look.
    A connection that has told nothing for `silent_seconds` is replaced, also if it answers pings.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Sequence[str],
        on_head: Callable[[], None],
        *,
        limits: RpcLimits | None = None,
        ping_seconds: float = _PING_SECONDS,
        silent_seconds: float = _SILENT_SECONDS,
        backoff: Backoff | None = None,
    ) -> None:
        self.connects = 0
        self.heads = 0
        self.connected = False
        self._session = session
        self._urls = list(urls)
        self._on_head = on_head
        self._limits = limits or RpcLimits(timeout=10.0)
        self._ping_seconds = ping_seconds
        self._silent_seconds = silent_seconds
        self._backoff = backoff or Backoff(first=0.5, most=30.0)
        self._heard = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Stay subscribed until `stop`, at the next URL whenever one fails."""
        turn, failing = 0, False
        while not stop.is_set() and self._urls:
            url = self._urls[turn % len(self._urls)]
            turn += 1
            socket = NodeSocket(self._session, url, self._limits, self._news, self._ping_seconds)
            reason = "the connection is gone"
            try:
                await socket.open()
                await socket.ask([("eth_subscribe", ["newHeads"])])
                self.connects += 1
                self.connected = True
                failing = False
                log.info("subscribed to the chain's heads", node=socket.shown)
                self._on_head()
                reason = await self._watch(socket, stop)
            except ChainError as error:
                reason = str(error)
            finally:
                self.connected = False
                await socket.close()
            if not stop.is_set():
                delay = self._backoff.next()
                tell = log.debug if failing else log.warning
                tell(
                    "no news of the chain's head; it is polled",
                    node=socket.shown, reason=reason, again_in=round(delay, 1),
                )  # fmt: skip
                failing = True
                await tasks.sleep(delay, stop)

    async def _watch(self, socket: NodeSocket, stop: asyncio.Event) -> str:
        while not stop.is_set():
            self._heard.clear()
            ends = [asyncio.create_task(one.wait()) for one in (socket.closed, stop, self._heard)]
            try:
                await asyncio.wait(
                    ends, timeout=self._silent_seconds, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                await tasks.end(*ends)
            if socket.closed.is_set():
                return "the connection is gone"
            if not self._heard.is_set() and not stop.is_set():
                return f"silent for {self._silent_seconds:g} s"
        return "stopped"

    def _news(self, _head: Any) -> None:
        self.heads += 1
        self._heard.set()
        self._backoff.reset()
        self._on_head()
