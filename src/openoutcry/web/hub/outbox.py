"""What a client that cannot keep up still has to get: bounded for each client, nearly free to keep.

A `Topic` remembers a little of what was said last, once for everybody. A client whose socket is
full keeps no copies: its `Outbox` holds, for each topic, the place where it fell behind, and
messages of its own. When the socket has drained, `Outbox.take` tells what is owed by each topic's
policy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Final, Protocol

from msgspec import Struct

from openoutcry.web.hub.channels import Policy

KEYS: Final = 256
NEWEST: Final = 200
OWN_BYTES: Final = 1 << 20


class Owed(Struct, frozen=True):
    """The frames that bring a client up to date, and how many messages they leave out."""

    frames: list[bytes]
    left_out: int = 0


class TooFarBehindError(Exception):
    """A client has missed more than its topics remember or its outbox may hold: close it."""


class Topic(Protocol):
    """One channel's messages, as far as they are remembered."""

    policy: Policy

    def cursor(self) -> int:
        """Return the place of a client that has everything."""

    def owed(self, cursor: int) -> Owed:
        """Return what a client at `cursor` missed. Raises TooFarBehindError if that is lost."""


class LatestTopic:
    """Keeps the latest frame of each key; past `keys`, the one that changed longest ago goes."""

    policy = Policy.LATEST

    def __init__(self, keys: int = KEYS) -> None:
        self._keys = keys
        self._count = 0
        self._lost = 0
        self._latest: dict[Hashable, tuple[int, bytes]] = {}

    def note(self, frame: bytes, key: Hashable = None) -> None:
        """Remember `frame` as the latest of `key`."""
        self._count += 1
        self._latest.pop(key, None)
        self._latest[key] = (self._count, frame)
        if len(self._latest) > self._keys:
            self._lost = self._latest.pop(next(iter(self._latest)))[0]

    def cursor(self) -> int:
        """Return the number of messages so far."""
        return self._count

    def owed(self, cursor: int) -> Owed:
        """Return the latest frame of each key that changed since, in the order of the changes."""
        if cursor < self._lost:
            raise TooFarBehindError
        frames: list[bytes] = []
        for number, frame in reversed(self._latest.values()):
            if number <= cursor:
                break
            frames.append(frame)
        frames.reverse()
        return Owed(frames, self._count - cursor - len(frames))


class ArrayTopic(LatestTopic):
    """Keeps the latest item of each key; `compose` makes one frame of some of them."""

    def __init__(self, compose: Callable[[list[bytes]], bytes], keys: int = KEYS) -> None:
        super().__init__(keys)
        self._compose = compose

    def owed(self, cursor: int) -> Owed:
        """Return one frame of the items that changed since, or none."""
        owed = super().owed(cursor)
        return Owed([self._compose(owed.frames)] if owed.frames else [], owed.left_out)


class NewestTopic:
    """Keeps the newest items; `compose` makes one frame of some of them and the number skipped."""

    policy = Policy.NEWEST

    def __init__(self, compose: Callable[[list[bytes], int], bytes], size: int = NEWEST) -> None:
        self._compose = compose
        self._count = 0
        self._ring: deque[bytes] = deque(maxlen=size)

    def note(self, items: Iterable[bytes]) -> None:
        """Remember `items`, the newest last."""
        for item in items:
            self._ring.append(item)
            self._count += 1

    def cursor(self) -> int:
        """Return the number of items so far."""
        return self._count

    def owed(self, cursor: int) -> Owed:
        """Return one frame of the newest items since, or none."""
        missed = self._count - cursor
        if not missed:
            return Owed([])
        kept = min(missed, len(self._ring))
        items = list(self._ring)[-kept:]
        return Owed([self._compose(items, missed - kept)], missed - kept)


class EveryTopic:
    """Remembers nothing: its messages are put into the outbox of each client that is behind.

    History by offset and epoch, for private channels that resume, belongs here.
    """

    policy = Policy.EVERY

    def cursor(self) -> int:
        """Return a place; they are all the same."""
        return 0

    def owed(self, cursor: int) -> Owed:  # noqa: ARG002  (the protocol's name)
        """Return nothing: it is all in the outboxes."""
        return Owed([])


class Outbox:
    """One client's debts. `limit` bounds the bytes of its own messages; places cost nothing."""

    def __init__(self, limit: int = OWN_BYTES) -> None:
        self._limit = limit
        self._own: deque[bytes] = deque()
        self._size = 0
        self._behind: dict[Topic, int] = {}

    def __bool__(self) -> bool:
        return bool(self._own or self._behind)

    @property
    def size(self) -> int:
        """Return the bytes of messages that are held for this client alone."""
        return self._size

    def put(self, frame: bytes) -> None:
        """Keep a message that must not be lost. Raises TooFarBehindError past the bound."""
        if self._size + len(frame) > self._limit:
            raise TooFarBehindError
        self._own.append(frame)
        self._size += len(frame)

    def fall_behind(self, topics: Iterable[Topic]) -> None:
        """Mark this place in each topic, unless the client is behind on it already."""
        for topic in topics:
            if topic not in self._behind:
                self._behind[topic] = topic.cursor()

    def forget(self, topic: Topic) -> None:
        """Owe nothing more of a topic that the client has left."""
        self._behind.pop(topic, None)

    def take(self, budget: int) -> Owed:
        """Take the next frames, about `budget` bytes of them: own messages, then topics in turn.

        Returns no frames when nothing is owed any more. Raises TooFarBehindError when what is owed
        is not remembered.
        """
        frames: list[bytes] = []
        taken = left_out = 0
        while self._own and taken < budget:
            frame = self._own.popleft()
            self._size -= len(frame)
            taken += len(frame)
            frames.append(frame)
        while self._behind and taken < budget:
            topic = next(iter(self._behind))
            owed = topic.owed(self._behind.pop(topic))
            frames += owed.frames
            taken += sum(map(len, owed.frames))
            left_out += owed.left_out
        return Owed(frames, left_out)
