"""One Binance stream on its way to its listeners: encoded once for each way of wanting it.

Trades and aggregates reach every listener or close who lags too far behind; of a candle, a ticker
and the best prices a slow reader gets the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Final

from openoutcry.venues.binance_server import Stream
from openoutcry.venues.binance_stream_writer import frames
from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.outbox import ArrayTopic, EveryTopic, LatestTopic, Topic

Style = tuple[bool, bool]
"""How a connection wants its messages: wrapped with the stream's name, times in µs."""

MOST_SYMBOLS: Final = 20_000
"""Symbols that the array of all tickers remembers for slow readers."""


class Publication:
    """A stream that somebody listens to."""

    def __init__(self, stream: Stream, fanout: Fanout) -> None:
        self.stream = stream
        self._fanout = fanout
        self._topics: dict[Style, Topic] = {}
        self._users: dict[Style, int] = {}

    @property
    def used(self) -> bool:
        """Return whether anybody listens."""
        return bool(self._topics)

    def hold(self, style: Style) -> Topic:
        """Count a listener in and return what to join."""
        if style not in self._topics:
            self._topics[style] = self._topic(style)
        self._users[style] = self._users.get(style, 0) + 1
        return self._topics[style]

    def drop(self, style: Style) -> None:
        """Count a listener out."""
        self._users[style] -= 1
        if not self._users[style]:
            del self._users[style], self._topics[style]

    def every(self, write: Callable[[bool], list[bytes]]) -> None:
        """Send messages that nobody may lose; `write` makes them with times in ms or (True) µs."""
        written: dict[bool, list[bytes]] = {}
        for style, topic in tuple(self._topics.items()):  # who is too slow is closed meanwhile
            if isinstance(topic, EveryTopic):
                if style[1] not in written:
                    written[style[1]] = write(style[1])
                self._fanout.publish_every(topic, self._frames(style, written[style[1]]))

    def latest(self, write: Callable[[bool], bytes], key: Hashable = None) -> None:
        """Send a message that replaces the one before of the same key."""
        for style, topic in self._topics.items():
            if isinstance(topic, LatestTopic):
                frame = self._frames(style, [write(style[1])])
                self._fanout.publish_latest(topic, frame, key)

    def array(self, write: Callable[[bool], list[tuple[Hashable, bytes]]]) -> None:
        """Send an array of items, each of which replaces the one before of the same key."""
        for style, topic in self._topics.items():
            if isinstance(topic, ArrayTopic):
                items = write(style[1])
                frame = self._array(style, [item for _, item in items])
                self._fanout.publish_array(topic, frame, items)

    def _topic(self, style: Style) -> Topic:
        if self.stream.kind in {"trade", "aggTrade"}:
            return EveryTopic()
        if self.stream.kind == "miniTickers":
            return ArrayTopic(lambda items: self._array(style, items), MOST_SYMBOLS)
        return LatestTopic()

    def _array(self, style: Style, items: Iterable[bytes]) -> bytes:
        return self._frames(style, [b"[%b]" % b",".join(items)])

    def _frames(self, style: Style, payloads: list[bytes]) -> bytes:
        return frames(self.stream.name, payloads, combined=style[0])
