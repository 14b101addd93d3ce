"""One connection to one server, and the channels that are listened to on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Final

from msgspec import Struct
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as ValkeyConnectionError

from openoutcry.adapters.valkey.server import connect_server

CHECK_SECONDS: Final = 5.0
"""How often a quiet connection is asked whether it is there."""
SILENCE_SECONDS: Final = 15.0
"""How long a connection may answer nothing before it counts as lost."""


class Words(Struct, frozen=True):
    """What a server is told and says: plain publish and subscribe, or that of a cluster's node."""

    message: bytes
    subscribed: bytes
    unsubscribed: bytes
    sharded: bool


PLAIN: Final = Words(b"message", b"subscribe", b"unsubscribe", sharded=False)
SHARDED: Final = Words(b"smessage", b"ssubscribe", b"sunsubscribe", sharded=True)


class Listener(Struct, frozen=True):
    """Who has a line. `message` takes a channel and what it said.

    `changed` is called when more or less is heard, `gone` with a channel that the server gave up.
    """

    message: Callable[[str, bytes], None]
    changed: Callable[[], None]
    gone: Callable[[str], None]


class Line:
    """Listens on one connection to what it is told to carry. It is used again after a loss."""

    def __init__(self, url: str, words: Words, listener: Listener) -> None:
        # Our owner reconnects, because after a loss the present state must be read again.
        self._valkey = connect_server(url, retries=0)
        self._words = words
        self._listener = listener
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._unanswered: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._pubsub: PubSub | None = None
        self.was_whole = False
        """Whether everything wanted was heard at any time since it connected last."""
        self._echoes: dict[bytes, asyncio.Future[None]] = {}
        self._numbers = count(1)
        self._last_heard = 0.0

    @property
    def whole(self) -> bool:
        """Whether everything wanted is heard."""
        return self._pubsub is not None and not self._changed.is_set() and not self._unanswered

    @property
    def carried(self) -> set[str]:
        """The channels that it is to listen to."""
        return self._wanted

    def carry(self, channels: set[str]) -> None:
        """Listen to these channels and no others."""
        if channels != self._wanted:
            self._wanted = channels
            self._changed.set()

    def hears(self, channel: str) -> bool:
        """Return whether everything that is published from now on will be heard."""
        up = self._pubsub is not None and channel in self._asked and channel in self._wanted
        return up and channel not in self._unanswered

    async def echo(self) -> None:
        """Return when everything that the server has said before this has been taken.

        Raises ValkeyConnectionError if the connection is lost.
        """
        if self._pubsub is None:
            raise ValkeyConnectionError("not connected")
        token = b"echo-%d" % next(self._numbers)
        answer = self._echoes[token] = asyncio.get_running_loop().create_future()
        try:
            await self._pubsub.ping(token)
            await answer
        finally:
            self._echoes.pop(token, None)

    async def run(self) -> None:
        """Listen until the connection is lost; raises what redis-py raises then, in a group."""
        self._asked.clear()
        self._unanswered.clear()
        self.was_whole = False
        try:
            async with self._valkey.pubsub() as pubsub, asyncio.TaskGroup() as tasks:
                await pubsub.connect()
                await self._ask_now(pubsub)
                self._pubsub = pubsub
                self._tell()
                tasks.create_task(self._ask(pubsub))
                tasks.create_task(self._read(pubsub))
        finally:
            self._pubsub = None
            for answer in self._echoes.values():
                if not answer.done():
                    answer.set_exception(ValkeyConnectionError("the connection is lost"))

    async def aclose(self) -> None:
        """Close what the client still holds."""
        await self._valkey.aclose()

    async def _ask(self, pubsub: PubSub) -> None:
        """Keep the server's subscriptions as wanted; ask a quiet server whether it is there."""
        clock = asyncio.get_running_loop().time
        self._last_heard = clock()
        while True:
            await self._ask_now(pubsub)
            try:
                await asyncio.wait_for(self._changed.wait(), CHECK_SECONDS)
            except TimeoutError:
                if clock() - self._last_heard > SILENCE_SECONDS:
                    raise TimeoutError(f"Valkey was silent for {SILENCE_SECONDS:g} s") from None
                await pubsub.ping()

    async def _ask_now(self, pubsub: PubSub) -> None:
        self._changed.clear()
        wanted, asked = set(self._wanted), self._asked
        self._asked = wanted
        sharded = self._words.sharded
        await self._send(pubsub.ssubscribe if sharded else pubsub.subscribe, wanted - asked)
        await self._send(pubsub.sunsubscribe if sharded else pubsub.unsubscribe, asked - wanted)
        self._tell()

    async def _send(self, command: Any, channels: Iterable[str]) -> None:
        ordered = sorted(channels)
        for channel in ordered:
            self._unanswered[channel] = self._unanswered.get(channel, 0) + 1
        if self._words.sharded:
            for channel in ordered:  # channels of different slots may not share a command
                await command(channel)
        elif ordered:
            await command(*ordered)

    async def _read(self, pubsub: PubSub) -> None:
        clock = asyncio.get_running_loop().time
        message, words, on_message = self._words.message, self._words, self._listener.message
        while True:
            # The plain answer: `get_message` would wrap it in a dict, at twice the cost.
            answer = await pubsub.parse_response()
            self._last_heard = clock()
            if not isinstance(answer, list):
                self._on_pong(answer)
                continue
            kind, name, *rest = answer
            if kind == message:
                on_message(name.decode(), rest[0])
            elif kind in (words.subscribed, words.unsubscribed):
                self._on_answer(name.decode())
            else:
                self._on_pong(name)

    def _on_answer(self, channel: str) -> None:
        left = self._unanswered.get(channel, 0) - 1
        if left < 0:  # nobody asked: the slot is another node's now
            self._asked.discard(channel)
            self._wanted.discard(channel)
            self._listener.gone(channel)
        elif left:
            self._unanswered[channel] = left
        else:
            del self._unanswered[channel]
        self._tell()

    def _tell(self) -> None:
        self.was_whole = self.was_whole or self.whole
        self._listener.changed()

    def _on_pong(self, token: object) -> None:
        answer = self._echoes.get(token) if isinstance(token, bytes) else None
        if answer is not None and not answer.done():
            answer.set_result(None)
