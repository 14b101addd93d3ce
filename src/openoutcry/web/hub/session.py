"""One connection's conversation: commands in, answers and subscriptions out.

The answers about one channel come in the order of the commands, also while its snapshot is read.
A private channel's token check comes before `receive` ever runs; its resume is one more case of
`_execute`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from openoutcry.errors import StoreUnavailableError
from openoutcry.web.hub import protocol, wire
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.market import Feed, Market
from openoutcry.web.hub.protocol import CloseCode, Ping, Refusal, Subscribe, Unsubscribe

PATIENCE: Final = 64
"""How often a client may go on asking past its limit before it is closed."""


class Session:
    """What one client has asked for. `close` closes its connection."""

    def __init__(
        self,
        client: Client,
        fanout: Fanout,
        market: Market,
        *,
        clock: Callable[[], int],
        close: Callable[[CloseCode], None],
        max_subscriptions: int = protocol.MAX_SUBSCRIPTIONS,
    ) -> None:
        self._client = client
        self._fanout = fanout
        self._market = market
        self._clock = clock
        self._close = close
        self._limit = max_subscriptions
        self._patience = PATIENCE
        self._stopped = False
        self._feeds: dict[Channel, Feed] = {}
        self._waiting: dict[Channel, deque[Subscribe | Unsubscribe]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, ping: float) -> None:
        """Say hello."""
        self._send(protocol.connected(name, self._market.symbols, ping, self._stamp()))

    def receive(self, payload: bytes) -> None:
        """Take one text message of the client."""
        command = protocol.parse(payload, self._market.symbols)
        if isinstance(command, Refusal):
            self._send(protocol.error(command, self._stamp()))
        elif isinstance(command, Ping):
            self._send(protocol.pong(command, self._stamp()))
        elif (waiting := self._waiting.get(command.channel)) is None:
            self._execute(command)
        elif len(waiting) < self._limit:
            waiting.append(command)
        else:
            self._close(CloseCode.BAD_PROTOCOL)

    def stop(self) -> None:
        """Let go of everything; the connection is gone."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        for channel in self._feeds:
            self._market.release(channel)
        self._feeds.clear()
        self._waiting.clear()

    def _execute(self, command: Subscribe | Unsubscribe) -> None:
        channel = command.channel
        refusal = protocol.decide(command, self._feeds.keys(), self._limit)
        if refusal is not None:
            self._refuse(refusal)
        elif isinstance(command, Unsubscribe):
            self._fanout.leave(self._client, self._feeds.pop(channel).topic)
            self._market.release(channel)
            self._send(protocol.unsubscribed(command, self._stamp()))
        else:
            if channel not in self._feeds:
                self._feeds[channel] = self._market.acquire(channel)
            feed = self._feeds[channel]
            if feed.loaded:
                self._join(command, feed)
            else:
                self._waiting[channel] = deque()
                task = asyncio.create_task(self._open(command, feed))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _open(self, command: Subscribe, feed: Feed) -> None:
        try:
            await self._market.opened(feed)
        except StoreUnavailableError:
            del self._feeds[command.channel]
            self._market.release(command.channel)
            self._send(protocol.error(protocol.unavailable(command), self._stamp()))
        else:
            self._join(command, feed)
        waiting = self._waiting.pop(command.channel, deque())
        while waiting and not self._stopped:
            next_command = waiting.popleft()
            self._execute(next_command)
            if next_command.channel in self._waiting:
                self._waiting[next_command.channel].extend(waiting)
                break

    def _join(self, command: Subscribe, feed: Feed) -> None:
        # Leaving first: what this turn has brought goes out before the snapshot, which has it.
        self._fanout.leave(self._client, feed.topic)
        snapshot = self._market.snapshot(feed)
        self._send(protocol.subscribed(command, snapshot, self._stamp()))
        self._fanout.join(self._client, feed.topic)

    def _refuse(self, refusal: Refusal) -> None:
        self._send(protocol.error(refusal, self._stamp()))
        if refusal.code == "too_many_subscriptions":
            self._patience -= 1
            if self._patience < 0:
                self._close(CloseCode.TOO_MANY_SUBSCRIPTIONS)

    def _send(self, message: bytes) -> None:
        self._fanout.send(self._client, wire.text_frame(message))

    def _stamp(self) -> str:
        return wire.timestamp(self._clock())
