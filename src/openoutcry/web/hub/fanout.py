"""The fan-out: each message becomes frame bytes once, each client gets one write a loop turn.

Clients with the same subscriptions form a `Group`; what a turn brings to a group is joined once and
the same bytes are written to every member. A member whose transport says `pause` is passed over (it
costs nothing then, see `outbox`) until it says `resume`. Clients that have agreed on compression are in
groups of their own; a large frame is compressed once for all of them.

A message to thousands takes tens of milliseconds to write, all of them system calls. A turn makes only
a share of those writes, then the loop hears what else there is; groups take turns in the order in which
they had something new. Messages that nobody may lose, and a client's own, do not wait for that: their
groups are written in the very turn. So an order reaches its owner while a price is still on its way to
everybody. No group grows past a crowd, or its writes would be one long turn again.

The order on each connection: a client gets of a topic exactly what is published after it joined and
before it left, in order. Messages of its own (`send`) keep their order among each other, and come
before what is published after them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Hashable, Iterable
from typing import Final

from openoutcry.web.hub.deflate import LEAST, pack
from openoutcry.web.hub.outbox import (
    ArrayTopic,
    EveryTopic,
    LatestTopic,
    NewestTopic,
    Outbox,
    TooFarBehindError,
    Topic,
)

DRAIN: Final = 64 * 1024
CROWD: Final = 256
"""The most clients of one group."""
SHARE: Final = 256
"""About how many writes of messages that can wait are made in a turn: 2 to 4 ms."""


class Client:
    """One connection as the fan-out sees it.

    `write` must take the bytes at once and may call `Fanout.pause` from within; `too_slow` is
    called when the client is past its bounds and must end in `Fanout.remove`.
    """

    __slots__ = ("deflate", "group", "outbox", "paused", "skip", "too_slow", "write")

    def __init__(
        self,
        write: Callable[[bytes], None],
        too_slow: Callable[[], None],
        outbox: Outbox | None = None,
        *,
        deflate: bool = False,
    ) -> None:
        self.write = write
        self.too_slow = too_slow
        self.outbox = Outbox() if outbox is None else outbox
        self.deflate = deflate
        self.paused = False
        self.group: Group | None = None
        self.skip = 0
        """How many of the group's pending frames are not this client's: it joined after them."""


class Group:
    """Clients with one set of topics, and what they have not been written yet."""

    __slots__ = ("deflate", "members", "paused", "pending", "queued", "targets", "topics")

    def __init__(self, topics: frozenset[Topic], *, deflate: bool) -> None:
        self.topics = topics
        self.deflate = deflate
        self.members: dict[Client, None] = {}
        self.paused: set[Client] = set()
        self.pending: list[bytes] = []
        self.queued = False
        """Whether its turn will come: it is in the fan-out's queue."""
        self.targets: list[Callable[[bytes], None]] | None = None


class Fanout:
    """Who listens to what. `schedule` runs a function once, soon, after the present callback."""

    def __init__(
        self,
        schedule: Callable[[Callable[[], None]], object],
        *,
        crowd: int = CROWD,
        share: int = SHARE,
    ) -> None:
        self._schedule = schedule
        self._crowd = crowd
        self._share = share
        self._room: dict[tuple[frozenset[Topic], bool], dict[Group, None]] = {}
        """Groups that are no crowd yet, by what they have in common."""
        self._listening: dict[Topic, dict[Group, None]] = {}
        self._queue: deque[Group] = deque()
        """Groups with something new, each once at most: there are no more of them than groups."""
        self._urgent: dict[Group, None] = {}
        self._own: dict[Client, list[bytes]] = {}
        self._scheduled = False
        self.messages = 0
        self.bytes = 0
        self.conflated = 0
        self.paused = 0

    def add(self, client: Client) -> None:
        """Let a client in; it listens to nothing yet."""
        self._enter(client, frozenset())

    def remove(self, client: Client) -> None:
        """Forget a client and all that it is owed. Safe to call twice."""
        if client.group is not None:
            self._leave_group(client, client.group)
            client.group = None
        self._own.pop(client, None)

    def join(self, client: Client, topic: Topic) -> None:
        """Give the client what is published on `topic` from now on."""
        if client.group is not None and topic not in client.group.topics:
            self._move(client, client.group, client.group.topics | {topic})
            if client.paused:
                client.outbox.fall_behind((topic,))

    def leave(self, client: Client, topic: Topic) -> None:
        """Give the client nothing more of `topic`."""
        if client.group is not None and topic in client.group.topics:
            self._move(client, client.group, client.group.topics - {topic})
            client.outbox.forget(topic)

    def rejoin(self, client: Client, topics: frozenset[Topic]) -> None:
        """Let the client listen to exactly these topics: joins and leaves in one go."""
        group = client.group
        if group is None or topics == group.topics:
            return
        before = group.topics
        self._move(client, group, topics)
        for topic in before - topics:
            client.outbox.forget(topic)
        if client.paused:
            client.outbox.fall_behind(topics - before)

    def listened(self, topic: Topic) -> bool:
        """Return whether anybody listens to `topic`."""
        return topic in self._listening

    def send(self, client: Client, frame: bytes) -> None:
        """Send a frame to one client, in this turn's write; bounded while its socket is full."""
        if client.group is None:
            return
        if client.deflate and len(frame) > LEAST:
            frame = pack(frame)
        if client.paused:
            self._put(client, frame)
        else:
            self._of_its_own(client).append(frame)

    def publish_latest(self, topic: LatestTopic, frame: bytes, key: Hashable = None) -> None:
        """Send a frame that replaces earlier ones of the same key for clients that are behind."""
        topic.note(frame, key)
        self._pend(topic, frame)

    def publish_array(
        self, topic: ArrayTopic, frame: bytes, items: Iterable[tuple[Hashable, bytes]]
    ) -> None:
        """Send a frame of items with keys; clients that are behind get the latest of each key."""
        for key, item in items:
            topic.note(item, key)
        self._pend(topic, frame)

    def publish_newest(self, topic: NewestTopic, frame: bytes, items: Iterable[bytes]) -> None:
        """Send a frame of some items, of which clients that are behind get the newest."""
        topic.note(items)
        self._pend(topic, frame)

    def publish_every(self, topic: EveryTopic, frame: bytes) -> None:
        """Send a frame that nobody loses without being closed."""
        packed: bytes | None = None
        for group in tuple(self._listening.get(topic, ())):
            if group.deflate and len(frame) > LEAST and packed is None:
                packed = pack(frame)
            mine = packed if group.deflate and packed is not None else frame
            for client in tuple(group.paused):
                self._put(client, mine)
            self._urgent[group] = None
        self._pend(topic, frame, packed)

    def publish_noted(self, topic: Topic, frame: bytes) -> None:
        """Send a frame that its topic has been told of already."""
        self._pend(topic, frame)

    def pause(self, client: Client) -> None:
        """Pass a client over: its socket is full. It has got everything up to now."""
        if client.paused or client.group is None:
            return
        client.paused = True
        self.paused += 1
        client.outbox.fall_behind(client.group.topics)
        client.group.paused.add(client)
        client.group.targets = None

    def resume(self, client: Client) -> None:
        """Write what a client is owed, its socket having drained, until that is full again."""
        if not client.paused or client.group is None:
            return
        self._unpause(client, client.group)
        try:
            self._catch_up(client)
        except TooFarBehindError:
            client.too_slow()

    def flush(self) -> None:
        """Write what is new, one write for each client: all that is urgent, a share of the rest."""
        self._scheduled = False
        own, self._own = self._own, {}
        urgent, self._urgent = self._urgent, {}
        apart: dict[Group, None] = {}
        for client, frames in own.items():
            if client.group is None:
                continue
            mine = client.group.pending[client.skip :]
            client.skip = 0
            apart[client.group] = None
            if client.paused:
                for frame in frames:
                    self._put(client, frame)
            elif frames or mine:
                self._write(client, frames + mine)
        for group in apart:
            self._write_group(group, own)
        for group in urgent:
            self._write_group(group)
        written = 0
        while self._queue and written < self._share:
            group = self._queue.popleft()
            group.queued = False
            written += self._write_group(group)
        if self._queue:
            self._soon()

    def _write_group(self, group: Group, without: Container[Client] | None = None) -> int:
        """Write to a group's members what they have not been written; return the number of writes."""
        if not group.pending:
            return 0
        frames, group.pending = group.pending, []
        if without is not None:
            targets = [c.write for c in group.members if not c.paused and c not in without]
        else:
            targets = group.targets or self._targets(group)
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        for write in targets:
            write(data)
        self.messages += len(frames) * len(targets)
        self.bytes += len(data) * len(targets)
        return len(targets)

    def _catch_up(self, client: Client) -> None:
        while client.outbox:
            owed = client.outbox.take(DRAIN)
            self.conflated += owed.left_out
            if owed.frames:
                self._write(client, owed.frames)
            if client.paused:
                return
        if client.group is not None:
            # What the topics owed includes what the group has pending in this very turn.
            self._of_its_own(client)
            client.skip = len(client.group.pending)

    def _write(self, client: Client, frames: list[bytes]) -> None:
        data = b"".join(frames)
        client.write(data)
        self.messages += len(frames)
        self.bytes += len(data)

    def _put(self, client: Client, frame: bytes) -> None:
        try:
            client.outbox.put(frame)
        except TooFarBehindError:
            client.too_slow()

    def _pend(self, topic: Topic, frame: bytes, packed: bytes | None = None) -> None:
        for group in self._listening.get(topic, ()):
            if not group.queued:
                group.queued = True
                self._queue.append(group)
            if group.deflate and len(frame) > LEAST:
                packed = pack(frame) if packed is None else packed
                group.pending.append(packed)
            else:
                group.pending.append(frame)
        self._soon()

    def _of_its_own(self, client: Client) -> list[bytes]:
        self._soon()
        return self._own.setdefault(client, [])

    def _soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._schedule(self.flush)

    def _targets(self, group: Group) -> list[Callable[[bytes], None]]:
        group.targets = [client.write for client in group.members if not client.paused]
        return group.targets

    def _move(self, client: Client, group: Group, topics: frozenset[Topic]) -> None:
        if not client.paused:
            self._of_its_own(client).extend(group.pending[client.skip :])
        self._leave_group(client, group)
        self._enter(client, topics)

    def _enter(self, client: Client, topics: frozenset[Topic]) -> None:
        kind = topics, client.deflate
        group = next(iter(self._room.get(kind, ())), None)
        if group is None:
            group = Group(topics, deflate=client.deflate)
            self._room.setdefault(kind, {})[group] = None
            for topic in topics:
                self._listening.setdefault(topic, {})[group] = None
        group.members[client] = None
        if len(group.members) >= self._crowd:
            self._no_room(group)
        group.targets = None
        client.group = group
        if client.paused:
            group.paused.add(client)
            self.paused += 1
        elif group.pending:
            self._of_its_own(client)
        client.skip = len(group.pending)

    def _leave_group(self, client: Client, group: Group) -> None:
        group.members.pop(client, None)
        group.targets = None
        if client in group.paused:
            group.paused.discard(client)
            self.paused -= 1
        if group.members:
            self._room.setdefault((group.topics, group.deflate), {})[group] = None
            return
        self._no_room(group)
        for topic in group.topics:
            listening = self._listening[topic]
            listening.pop(group, None)
            if not listening:
                del self._listening[topic]

    def _no_room(self, group: Group) -> None:
        kind = group.topics, group.deflate
        groups = self._room.get(kind, {})
        groups.pop(group, None)
        if not groups:
            self._room.pop(kind, None)

    def _unpause(self, client: Client, group: Group) -> None:
        client.paused = False
        group.paused.discard(client)
        group.targets = None
        self.paused -= 1
