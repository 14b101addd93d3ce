"""The channel `user`: what each user's open tabs are told, whole and in order.

A user's feed is open while one of their clients listens here. It knows how far it has told
(`at`): every client that has joined has everything up to there. A client that subscribes is brought
there from the history, or by a snapshot of the store; while that is read, what is told meanwhile is
kept for it. Who is ahead of the feed (the store is, by what the publisher has yet to publish; and so
is a client that comes from another hub) joins when the feed gets there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct

from openoutcry.adapters.postgres.private_reader import Snapshot
from openoutcry.adapters.valkey.user_history import Message
from openoutcry.core.backoff import Backoff
from openoutcry.core.keys import user_channel
from openoutcry.core.user_messages import Position, position
from openoutcry.errors import StoreUnavailableError
from openoutcry.web.hub import protocol, wire
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.outbox import EveryTopic
from openoutcry.web.hub.sources import Bus

OPEN_SECONDS: Final = 5.0
"""How long a client waits for a snapshot before it is told `unavailable`."""
READERS: Final = 4
"""How many snapshots are read from the store at once."""
MOST_HELD: Final = 2_000
"""Messages that are held while a feed finds its place; past it a snapshot will do for them."""

log = structlog.get_logger(__name__)


class PrivateStore(Protocol):
    """Reads of the store. Raises StoreUnavailableError."""

    async def snapshot(self, user_id: int) -> Snapshot:
        """Return what a user has, all of one moment."""

    async def published(self, user_id: int) -> Position:
        """Return the position up to which everything of a user has been published."""


class History(Protocol):
    """Reads of what was published last. Raises StoreUnavailableError."""

    async def last(self, user_id: int) -> Position | None:
        """Return where the newest message stands; None: nothing is kept."""

    async def between(self, user_id: int, epoch: str, first: int, last: int) -> list[Message]:
        """Return the messages first..last; empty unless all of them are kept."""


class Start(Struct):
    """How a client begins: the frame that answers it, what it missed, where it then is."""

    answer: bytes
    missed: list[bytes]
    at: Position


class UserFeed:
    """One user's messages. `at` is how far they have been told, None until that is known."""

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id
        self.topic = EveryTopic()
        self.at: Position | None = None
        self.clients: dict[Client, None] = {}
        self.ahead: dict[Client, int] = {}
        """Of these, who has more than has been told: they join the topic at that offset."""
        self.starting: dict[Client, list[tuple[int, bytes]]] = {}
        """Who is being brought up to date, and what was told meanwhile."""
        self.held: deque[tuple[Position, bytes]] = deque(maxlen=MOST_HELD)
        """What came while the feed finds its place."""
        self.settled = asyncio.Event()
        """Set while the feed knows its place; what comes otherwise is held."""
        self.users = 0
        self.opening: asyncio.Task[None] | None = None


class Private:
    """The feeds of the users who have clients here. `clock` returns µs since 1970."""

    def __init__(
        self,
        fanout: Fanout,
        bus: Bus,
        history: History,
        store: PrivateStore,
        clock: Callable[[], int],
    ) -> None:
        self._fanout = fanout
        self._bus = bus
        self._history = history
        self._store = store
        self._clock = clock
        self._feeds: dict[int, UserFeed] = {}
        self._readers = asyncio.Semaphore(READERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self.resumed = self.snapshots = self.holes = 0

    # --- for sessions -----------------------------------------------------------------------------

    def acquire(self, user_id: int) -> UserFeed:
        """Return a user's feed and hold it open until `release`."""
        feed = self._feeds.get(user_id)
        if feed is None:
            feed = self._feeds[user_id] = UserFeed(user_id)
            self._bus.want(user_channel(user_id))
        feed.users += 1
        return feed

    def release(self, feed: UserFeed, client: Client) -> None:
        """Let go of a feed; the last one out closes it."""
        self.leave(feed, client)
        feed.users -= 1
        if not feed.users:
            del self._feeds[feed.user_id]
            self._bus.unwant(user_channel(feed.user_id))
            if feed.opening is not None:
                feed.opening.cancel()

    def leave(self, feed: UserFeed, client: Client) -> None:
        """Tell a client nothing more; it still holds the feed."""
        feed.clients.pop(client, None)
        feed.ahead.pop(client, None)
        feed.starting.pop(client, None)
        self._fanout.leave(client, feed.topic)

    async def start(self, feed: UserFeed, client: Client, command: protocol.Subscribe) -> Start:
        """Return how a client begins. Call `join` at once, before anything is awaited.

        Raises StoreUnavailableError.
        """
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                while True:
                    epoch = await self._opened(feed)
                    feed.starting[client] = []
                    begun = await self._resume(feed, client, command)
                    begun = begun or await self._begin(feed, client, command)
                    # The feed has lost its place meanwhile: what was collected may have holes.
                    if begun and feed.settled.is_set() and feed.at and feed.at.epoch == epoch:
                        return begun
        except TimeoutError:
            raise StoreUnavailableError(f"No snapshot within {OPEN_SECONDS:g} s.") from None
        finally:
            feed.starting.pop(client, None)

    def join(self, feed: UserFeed, client: Client, start: Start) -> None:
        """Give a client its answer, what it missed, and from now on what is new."""
        self._fanout.send(client, start.answer)
        for frame in start.missed:
            self._fanout.send(client, frame)
        self._enter(feed, client, start.at.offset)

    def _enter(self, feed: UserFeed, client: Client, offset: int) -> None:
        feed.clients[client] = None
        if feed.at is not None and offset <= feed.at.offset:
            self._fanout.join(client, feed.topic)
        else:
            feed.ahead[client] = offset

    async def _resume(
        self, feed: UserFeed, client: Client, command: protocol.Subscribe
    ) -> Start | None:
        asked, at = command.position, feed.at
        if asked is None or at is None or asked.epoch != at.epoch:
            return None
        if asked.offset > at.offset:
            # Another hub may have heard more than we have; nobody has heard what is not kept.
            last = await self._history.last(feed.user_id)
            if last is None or last.epoch != asked.epoch or asked.offset > last.offset:
                return None
            missed: list[bytes] = []
        else:
            found = await self._between(feed, asked.offset + 1, at)
            if found is None:
                return None
            missed = found
        missed += _after(feed, client, max(asked.offset, at.offset))
        self.resumed += 1
        answer = wire.text_frame(protocol.resumed(command, asked, self._stamp()))
        return Start(answer, missed, Position(max(asked.offset, _told(feed)), asked.epoch))

    async def _begin(
        self, feed: UserFeed, client: Client, command: protocol.Subscribe
    ) -> Start | None:
        before = feed.at
        async with self._readers:
            snapshot = await self._store.snapshot(feed.user_id)
        at = snapshot.at
        if before is None or at.epoch != before.epoch or at.offset < before.offset:
            # Another database than that of the history: whoever listens has to begin anew.
            self._lose_place(feed, self._renew)
            return None
        self.snapshots += 1
        answer = wire.text_frame(protocol.renewed(command.id, at, snapshot.data, self._stamp()))
        missed = _after(feed, client, at.offset)
        return Start(answer, missed, Position(max(at.offset, _told(feed)), at.epoch))

    async def _between(self, feed: UserFeed, first: int, at: Position) -> list[bytes] | None:
        """Return the frames of first..`at`, None if they are not all kept."""
        if first > at.offset:
            return []
        found = await self._history.between(feed.user_id, at.epoch, first, at.offset)
        return [wire.text_frame(message.text) for message in found] or None

    # --- for the bus ------------------------------------------------------------------------------

    def hear(self, name: str, data: bytes) -> None:
        """Take a message of the bus; `name` is what follows `user:`. Raises MsgspecError, ValueError."""
        at = position(data)
        feed = self._feeds.get(int(name.strip("{}")))
        if feed is None:
            return
        if feed.settled.is_set():
            self._take(feed, at, data)
        else:
            feed.held.append((at, data))

    async def on_connected(self) -> None:
        """Messages may have been missed: let every feed find its place again."""
        for feed in tuple(self._feeds.values()):
            self._lose_place(feed, self._catch_up)

    async def aclose(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, feed: UserFeed, at: Position, data: bytes) -> None:
        told = feed.at
        if told is not None and at.epoch == told.epoch and at.offset <= told.offset:
            return  # repeated
        if told is not None and at == Position(told.offset + 1, told.epoch):
            self._tell(feed, at, wire.text_frame(data))
            return
        self.holes += 1
        log.info("hub.hole", user=feed.user_id, told=told, heard=at)
        self._lose_place(feed, self._catch_up)
        if told is not None and at.epoch == told.epoch:
            feed.held.append((at, data))
        # One of another epoch was committed before it was heard, so what is read now has it; or it
        # is of a database that is no more.

    def _tell(self, feed: UserFeed, at: Position, frame: bytes) -> None:
        feed.at = at
        self._fanout.publish_every(feed.topic, frame)
        for collected in feed.starting.values():
            collected.append((at.offset, frame))
        if feed.ahead:
            for client in [one for one, offset in feed.ahead.items() if offset == at.offset]:
                del feed.ahead[client]
                self._fanout.join(client, feed.topic)

    # --- finding the place ------------------------------------------------------------------------

    async def _opened(self, feed: UserFeed) -> str:
        """Return the feed's epoch once it knows its place."""
        while feed.at is None:
            if feed.opening is None:
                feed.opening = self._start(self._open(feed))
            await asyncio.shield(feed.opening)
        await feed.settled.wait()
        return feed.at.epoch

    async def _open(self, feed: UserFeed) -> None:
        try:
            await self._bus.heard(user_channel(feed.user_id))
            feed.at = await self._place(feed.user_id)
            self._go_on(feed)
        finally:
            feed.opening = None

    async def _place(self, user_id: int) -> Position:
        """Return how far a user's messages have been published."""
        published = await self._store.published(user_id)
        last = await self._history.last(user_id)
        if last is None or last.epoch != published.epoch:
            return published
        # The publisher marks what it has published a moment later.
        return max(published, last, key=_offset)

    def _lose_place(self, feed: UserFeed, find: Callable[[UserFeed], Awaitable[None]]) -> None:
        if feed.settled.is_set():
            feed.settled.clear()
            self._start(self._find(feed, find))

    async def _find(self, feed: UserFeed, find: Callable[[UserFeed], Awaitable[None]]) -> None:
        """Let a feed find its place; try until it does or nobody listens any more."""
        backoff = Backoff(first=0.2, most=5.0)
        while self._feeds.get(feed.user_id) is feed:
            try:
                await find(feed)
            except StoreUnavailableError as error:
                log.warning("hub.no_history", user=feed.user_id, error=str(error))
                await asyncio.sleep(backoff.next())
                find = self._catch_up
            else:
                self._go_on(feed)
                return

    async def _catch_up(self, feed: UserFeed) -> None:
        """Tell what was missed, or give everybody a snapshot."""
        told = feed.at
        place = await self._place(feed.user_id)
        if told is None or place.epoch != told.epoch:
            await self._renew(feed)
            return
        # A snapshot may have brought us further than anything that was published.
        found = await self._between(feed, told.offset + 1, place)
        if found is None:
            await self._renew(feed)
            return
        for number, frame in enumerate(found, told.offset + 1):
            self._tell(feed, Position(number, told.epoch), frame)

    async def _renew(self, feed: UserFeed) -> None:
        """Give everybody who listens a snapshot, and go on from there."""
        async with self._readers:
            snapshot = await self._store.snapshot(feed.user_id)
        self.snapshots += len(feed.clients)
        feed.at = snapshot.at
        message = protocol.renewed(None, snapshot.at, snapshot.data, self._stamp())
        frame = wire.text_frame(message)
        for client in tuple(feed.clients):
            self._fanout.leave(client, feed.topic)
            feed.ahead.pop(client, None)
            self._fanout.send(client, frame)
            self._enter(feed, client, snapshot.at.offset)

    def _go_on(self, feed: UserFeed) -> None:
        feed.settled.set()
        while feed.held and feed.settled.is_set():
            self._take(feed, *feed.held.popleft())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StoreUnavailableError):
            log.error("hub.private_failed", exc_info=error)

    def _stamp(self) -> str:
        return wire.timestamp(self._clock())


def _after(feed: UserFeed, client: Client, offset: int) -> list[bytes]:
    """Return what was told since a client began to start, after `offset`."""
    return [frame for at, frame in feed.starting.get(client, ()) if at > offset]


def _told(feed: UserFeed) -> int:
    return feed.at.offset if feed.at else 0


def _offset(at: Position) -> int:
    return at.offset
