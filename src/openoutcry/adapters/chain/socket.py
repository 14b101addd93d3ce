"""JSON-RPC over a WebSocket: calls, and what a node tells unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

import aiohttp
import msgspec

from openoutcry.adapters import tasks
from openoutcry.adapters.chain.rpc import BATCH, RpcLimits
from openoutcry.core.chain import jsonrpc
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.errors import ChainError, NodeNonsenseError, NodeUnavailableError

_PING_SECONDS: Final = 15.0


class NodeSocket:
    """One connection to a node. A peer that does not answer a ping in time is given up.

    `on_news` gets what subscriptions tell (`params.result`). `closed` is set when it is over.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        limits: RpcLimits,
        on_news: Callable[[Any], None] = lambda _: None,
        ping_seconds: float = _PING_SECONDS,
    ) -> None:
        self.shown = jsonrpc.shown(url)
        self.closed = asyncio.Event()
        self._session = session
        self._url = url
        self._limits = limits
        self._on_news = on_news
        self._ping_seconds = ping_seconds
        self._ids = count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect. Raises NodeUnavailableError."""
        try:
            async with asyncio.timeout(self._limits.timeout):
                self._socket = await self._session.ws_connect(
                    self._url,
                    heartbeat=self._ping_seconds,
                    max_msg_size=self._limits.answer_bytes,
                )
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # The text of such an error may hold the whole URL.
            raise NodeUnavailableError(f"{self.shown}: {type(error).__name__}") from None
        self._reader = asyncio.create_task(self._read(self._socket))

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results in the order of `calls`, all of which are under way at once.

        Raises as HttpRpc does.
        """
        loop = asyncio.get_running_loop()
        numbers = [next(self._ids) for _ in calls]
        futures = [loop.create_future() for _ in calls]
        try:
            async with asyncio.timeout(self._limits.timeout):
                for number, call, future in zip(numbers, calls, futures, strict=True):
                    if self._socket is None or self.closed.is_set():
                        raise NodeUnavailableError(f"{self.shown}: the connection is gone")
                    self._waiting[number] = (call[0], future)
                    await self._socket.send_bytes(jsonrpc.encode([call], number), compress=None)
                return [await future for future in futures]
        except TimeoutError:
            raise NodeUnavailableError(
                f"{self.shown}: no answer within {self._limits.timeout:g} s"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise NodeUnavailableError(f"{self.shown}: {type(error).__name__}") from None
        finally:
            for number in numbers:
                self._waiting.pop(number, None)
            for future in futures:
                if future.done() and not future.cancelled():
                    future.exception()  # seen: only the first is told

    async def close(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            await tasks.end(self._reader)
        if self._socket is not None:
            await self._socket.close()
        self._end()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    break
                self._take(message.data)
        finally:
            self._end()

    def _take(self, data: str | bytes) -> None:
        try:
            found = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._fail(NodeNonsenseError(f"{self.shown}: a message is no JSON"))
            return
        for message in found if isinstance(found, list) else [found]:
            if not isinstance(message, dict):
                continue
            if message.get("method") == "eth_subscription":
                params = message.get("params")
                self._on_news(params.get("result") if isinstance(params, dict) else None)
                continue
            number = message.get("id")
            waiting = self._waiting.pop(number, None) if type(number) is int else None
            if waiting is not None and not waiting[1].done():
                self._answer(message, *waiting)

    def _answer(self, message: dict[str, Any], method: str, future: asyncio.Future[Any]) -> None:
        try:
            future.set_result(jsonrpc.result(message, method))
        except ChainError as error:
            future.set_exception(error)

    def _fail(self, error: ChainError) -> None:
        """End every question that is under way: nobody knows which one the nonsense answers."""
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()

    def _end(self) -> None:
        self.closed.set()
        self._fail(NodeUnavailableError(f"{self.shown}: the connection is gone"))


class SocketRpc:
    """A node behind a ws(s) URL, for calls; connects when it is first asked, and again when needed."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, limits: RpcLimits | None = None
    ) -> None:
        self.shown = jsonrpc.shown(url)
        self._session = session
        self._url = url
        self._limits = limits or RpcLimits()
        self._socket: NodeSocket | None = None
        self._opening = asyncio.Lock()

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results in the order of `calls`. Raises as HttpRpc does."""
        socket = await self._connected()
        found: list[Any] = []
        for start in range(0, len(calls), BATCH):
            found += await socket.ask(calls[start : start + BATCH])
        return found

    async def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            await self._socket.close()

    async def _connected(self) -> NodeSocket:
        async with self._opening:
            if self._socket is None or self._socket.closed.is_set():
                socket = NodeSocket(self._session, self._url, self._limits)
                await socket.open()
                self._socket = socket
            return self._socket
