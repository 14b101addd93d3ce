"""Private feeds under every interleaving: what a client knows is always whole, and ends complete."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubkit import LocalBus
from openoutcry.adapters.postgres.private_reader import Snapshot
from openoutcry.adapters.valkey.user_history import Message
from openoutcry.core.keys import user_channel
from openoutcry.core.trading.wire import user_message
from openoutcry.core.user_messages import Position
from openoutcry.errors import StoreUnavailableError
from openoutcry.web.hub import private
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.outbox import Outbox
from openoutcry.web.hub.private import Private, UserFeed
from openoutcry.web.hub.protocol import Subscribe

USER = 7


class World:
    """What was committed and published of one user, and reads of it that take their time."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.epoch = "e0"
        self.committed = self.published_to = 0
        self.kept: dict[int, bytes] = {}
        self.calm = False

    async def _wait(self) -> None:
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)
        if not self.calm and self.dice.random() < 0.05:
            raise StoreUnavailableError("away")

    async def snapshot(self, user_id: int) -> Snapshot:
        """Return every number up to what was committed, as of the middle of the call."""
        assert user_id == USER
        await self._wait()
        numbers = list(range(1, self.committed + 1))
        snapshot = Snapshot(json.dumps(numbers).encode(), Position(self.committed, self.epoch))
        await self._wait()
        return snapshot

    async def published(self, user_id: int) -> Position:
        """Return what is marked as published, which lags behind at times."""
        assert user_id == USER
        await self._wait()
        lag = 0 if self.calm else self.dice.randrange(2)
        return Position(max(0, self.published_to - lag), self.epoch)

    async def last(self, user_id: int) -> Position | None:
        """Return the newest message that is kept."""
        assert user_id == USER
        await self._wait()
        return Position(max(self.kept), self.epoch) if self.kept else None

    async def between(self, user_id: int, epoch: str, first: int, last: int) -> list[Message]:
        """Return messages without a hole."""
        assert user_id == USER
        await self._wait()
        wanted = range(first, last + 1)
        if epoch != self.epoch or not all(number in self.kept for number in wanted):
            return []
        return [Message(number, self.kept[number]) for number in wanted]

    def publish(self) -> bytes | None:
        """Publish the next message that was committed; return its text."""
        if self.published_to == self.committed:
            return None
        self.published_to += 1
        at = self.published_to
        text = user_message("bot_update", str(at), 0, at, self.epoch)
        self.kept[at] = text
        return text

    def begin_anew(self) -> None:
        """Be another database."""
        self.epoch = f"e{int(self.epoch[1:]) + 1}"
        self.committed = self.published_to = self.dice.randrange(3)
        self.kept.clear()


class Listener:
    """A client that checks what it is told."""

    def __init__(self, fanout: Fanout) -> None:
        self.client = Client(self._write, lambda: None, Outbox())
        fanout.add(self.client)
        self.at: Position | None = None
        self.known: list[int] = []
        self.busy = False

    def _write(self, data: bytes) -> None:
        while data:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            self._take(json.loads(data[start : start + size]))
            data = data[start + size :]

    def _take(self, message: Any) -> None:
        at = Position(message["offset"], message["epoch"])
        if message["type"] == "subscribed":
            if message["recovered"]:
                assert at == self.at
            else:
                self.known = message["data"]
                assert self.known == list(range(1, at.offset + 1))
        else:
            assert self.at is not None
            assert at == Position(self.at.offset + 1, self.at.epoch), "no hole, nothing twice"
            self.known.append(message["data"])
        self.at = at


async def _subscribe(hub: Private, feed: UserFeed, one: Listener, *, resume: bool) -> None:
    one.busy = True
    hub.leave(feed, one.client)
    hub._fanout.flush()
    command = Subscribe(Channel("user"), None, one.at if resume else None)
    try:
        hub.join(feed, one.client, await hub.start(feed, one.client, command))
    except StoreUnavailableError:
        one.at = None  # it is not subscribed now; it asks again
        await _subscribe(hub, feed, one, resume=False)
    one.busy = False


class Play:
    """A hub's private part, its clients, and what may happen to them."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.world = World(dice)
        self.fanout = Fanout(asyncio.get_running_loop().call_soon)
        self.hub = Private(self.fanout, LocalBus(), self.world, self.world, lambda: 0)
        self.feed = self.hub.acquire(USER)
        self.listeners = [Listener(self.fanout) for _ in range(3)]
        self.work: list[asyncio.Task[None]] = []

    def commit(self) -> None:
        self.world.committed += 1

    def publish(self, heard: float = 0.9) -> bool:
        """Publish the next message, if there is one; the bus may lose it or say it twice."""
        text = self.world.publish()
        if text is not None and self.dice.random() < heard:
            for _ in range(1 if self.dice.random() < 0.9 else 2):
                self.hub.hear(user_channel(USER).removeprefix("user:"), text)
        return text is not None

    def subscribe(self) -> None:
        self.ask(self.dice.choice(self.listeners), resume=self.dice.random() < 0.6)

    def ask(self, one: Listener, *, resume: bool) -> None:
        if not one.busy:
            one.busy = True
            asking = _subscribe(self.hub, self.feed, one, resume=resume)
            self.work.append(asyncio.create_task(asking))

    def forget(self) -> None:
        for number in [n for n in self.world.kept if self.dice.random() < 0.3]:
            del self.world.kept[number]

    def lose_bus(self) -> None:
        self.work.append(asyncio.create_task(self.hub.on_connected()))

    async def happen(self, steps: int) -> None:
        """Let so many things happen."""
        actions: list[Any] = [self.commit] * 6 + [self.publish] * 6 + [self.subscribe] * 2
        actions += [self.forget, self.lose_bus]
        for _ in range(steps):
            self.dice.choice(actions)()
            if self.dice.random() < 0.02:
                self.world.begin_anew()
            for _ in range(self.dice.randrange(4)):
                await asyncio.sleep(0)

    async def settle(self) -> None:
        """Let everything work again, and one more message come."""
        self.world.calm = True
        for one in self.listeners:
            self.ask(one, resume=True)
        await asyncio.gather(*self.work)
        self.commit()
        while self.publish(heard=1.0):
            pass
        end = Position(self.world.committed, self.world.epoch)
        async with asyncio.timeout(10):
            while not all(one.at == end for one in self.listeners):
                await asyncio.sleep(0)

    async def end(self) -> None:
        """Close everything."""
        for one in self.listeners:
            assert one.known == list(range(1, self.world.committed + 1))
            self.hub.leave(self.feed, one.client)
        self.hub.release(self.feed, self.listeners[0].client)
        assert not self.hub._feeds
        await self.hub.aclose()


async def _play(dice: random.Random, steps: int) -> None:
    play = Play(dice)
    await play.happen(steps)
    await play.settle()
    await play.end()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 120))
def test_whole_and_complete(seed: int, steps: int) -> None:
    """Losses, repeats, holes, outages, new databases, slow reads: no client is ever wrong."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(private, "Backoff", _NoBackoff)
        asyncio.run(_play(random.Random(seed), steps))


class _NoBackoff:
    """Waits no time at all."""

    def __init__(self, **_: float) -> None:
        pass

    def next(self) -> float:
        return 0.0
