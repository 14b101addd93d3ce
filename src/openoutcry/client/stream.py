"""The hub as one stream of messages that survives lost connections."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import deque
from typing import Final, Self

import msgspec

from openoutcry.adapters.tasks import end
from openoutcry.client.credentials import Credentials
from openoutcry.client.errors import ClientError, HubClosedError
from openoutcry.client.messages import Message, decode
from openoutcry.client.socket import HubSocket
from openoutcry.client.subscriptions import Request, Subscriptions
from openoutcry.core.backoff import Backoff

PATH: Final = "/api/v1/ws/app"
BACKOFF: Final = (3.0, 30.0)
"""Shortest and longest wait before coming back, in seconds; up to a third is taken off at random."""
MOST_WAITING: Final = 1000
"""Messages that wait to be taken; while there are more the socket is not read."""
HELD_SECONDS: Final = 5.0
"""A connection that held for so long begins the backoff anew."""
EARLY_SECONDS: Final = 60.0
"""A token is renewed so long before it expires, or after half its time if that is sooner."""
AGAIN_SECONDS: Final = 5.0
"""A channel that is not available, and a token that cannot be had, is asked for again after this."""

_EXPIRED: Final = 3005
_INVALID_TOKEN: Final = 3500
_FOR_GOOD: Final = range(3500, 4000)


class Client:
    """Messages of a hub at `url` such as `ws://localhost:8001`; iterate over it.

    Without credentials there are public channels only. A lost connection is dialled again, and of
    the channel `user` comes what was missed meanwhile: every message once and in order, or a message
    whose `is_snapshot` says that it replaces all. Iterating raises HubClosedError when the hub does
    not want us back, and SignInError when there is no token to be had.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        backoff: tuple[float, float] = BACKOFF,
    ) -> None:
        self._url = url.rstrip("/") + PATH
        self._credentials = credentials
        self._backoff = Backoff(*backoff, jitter=1 / 3)
        self._subscriptions = Subscriptions()
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._socket: HubSocket | None = None
        self._held = False
        self._stale = False
        """The token was refused or has expired: the next one has to be another."""
        self._refused = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._running: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(lambda _: self._arrived.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if self._running is None or self._running.done():
                if self._running is not None and not self._running.cancelled():
                    self._running.result()  # raises why there is no more
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        if self._held and len(self._messages) < MOST_WAITING // 2:
            self._held = False
            if self._socket is not None:
                self._socket.hold(held=False)
        return message

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection just now."""
        return self._socket is not None

    def subscribe(self, *channels: str) -> None:
        """Listen to channels, now and after every reconnect. A snapshot comes first."""
        for channel in channels:
            self._send(self._subscriptions.add(channel))

    def unsubscribe(self, *channels: str) -> None:
        """Listen to channels no more."""
        for channel in channels:
            self._send(self._subscriptions.remove(channel))

    async def aclose(self) -> None:
        """Close the connection; the iteration ends with what has arrived."""
        if self._running is not None:
            if not self._running.done():
                await end(self._running)
            self._arrived.set()

    # --- the connection ---------------------------------------------------------------------------

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began, code, reason = clock(), 0, ""
            try:
                code, reason = await self._once()
            except OSError as error:
                reason = str(error)
            held = clock() - began >= HELD_SECONDS
            if held:
                self._backoff.reset()
            if code in _FOR_GOOD and not self._may_try_another_token(code):
                raise HubClosedError(code, reason)
            self._stale = self._stale or code in (_EXPIRED, _INVALID_TOKEN)
            # Another token may do at once; but not again and again.
            at_once = code == _INVALID_TOKEN or (code == _EXPIRED and held)
            wait = 0.0 if at_once else self._backoff.next()
            news = {"code": code, "reason": reason, "retry_in": round(wait, 3)}
            self._put(Message("disconnected", data=news))
            await asyncio.sleep(wait)

    async def _once(self) -> tuple[int, str]:
        """Connect, listen, and return with which code and reason that ended. Raises OSError."""
        token = ""
        if self._credentials is not None:
            token = await self._credentials.token(fresh=self._stale)
            self._stale = False
        socket = await HubSocket.open(self._url, token, self._on_text)
        self._socket = socket
        try:
            self._put(Message("connected"))
            if self._held:
                socket.hold(held=True)
            for request in self._subscriptions.connected():
                socket.send(request)
            return await asyncio.shield(socket.closed)
        finally:
            self._socket = None
            self._stop_timers()
            if not socket.closed.done():
                socket.close()

    def _may_try_another_token(self, code: int) -> bool:
        """Return whether a refused token may be replaced: once, until one has been good."""
        self._refused += 1
        return code == _INVALID_TOKEN and self._credentials is not None and self._refused == 1

    def _send(self, request: Request) -> None:
        if self._socket is not None:  # else it is asked for on the next connection
            self._socket.send(request)

    # --- messages ---------------------------------------------------------------------------------

    def _on_text(self, text: bytes) -> None:
        try:
            message = decode(text)
        except msgspec.DecodeError:
            return  # not for us: the protocol may grow
        passed, request = self._subscriptions.take(message)
        if request is not None:
            self._send(request)
        if message.type == "authenticated":
            self._refused = 0
            self._plan_renewal(message.data)
        elif message.code == "unavailable":
            self._ask_again(message.channel)
        if passed:
            self._put(message)

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._arrived.set()
        if not self._held and len(self._messages) >= MOST_WAITING:
            self._held = True
            if self._socket is not None:
                self._socket.hold(held=True)

    def _ask_again(self, channel: str) -> None:
        if not channel:
            self._later("renew", AGAIN_SECONDS)
        elif self._subscriptions.is_wanted(channel):
            self._later(channel, AGAIN_SECONDS)

    def _plan_renewal(self, data: object) -> None:
        expires = data.get("expires_at") if isinstance(data, dict) else None
        if isinstance(expires, str):
            until = dt.datetime.fromisoformat(expires) - dt.datetime.now(dt.UTC)
            left = until.total_seconds()
            self._later("renew", max(1.0, left - EARLY_SECONDS, left / 2))

    def _later(self, what: str, seconds: float) -> None:
        if what in self._timers:
            self._timers[what].cancel()
        loop = asyncio.get_running_loop()
        self._timers[what] = loop.call_later(seconds, self._due, what)

    def _due(self, what: str) -> None:
        if what == "renew":
            self._renewing = asyncio.create_task(self._renew())
        elif self._subscriptions.is_wanted(what):
            self._send(self._subscriptions.ask(what))

    async def _renew(self) -> None:
        if self._credentials is None:
            return
        try:
            token = await self._credentials.token(fresh=True)
        except OSError:
            self._later("renew", AGAIN_SECONDS)
        except ClientError:
            return  # the hub will close us when the old one has expired
        else:
            self._send({"type": "auth", "token": token})

    def _stop_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._renewing is not None:
            self._renewing.cancel()
