"""The newest quote of each symbol, told to whoever listens; the venue's time is taken from them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from openoutcry.core.quotes import QuoteMessage
from openoutcry.web.hub import wire
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.feeds import Hearer, PriceFeed
from openoutcry.web.hub.outbox import LatestTopic


class Quotes:
    """The quotes of these symbols. `clock` returns µs since 1970."""

    def __init__(self, symbols: tuple[str, ...], fanout: Fanout, clock: Callable[[], int]) -> None:
        self.feeds = {symbol: PriceFeed(Channel("price", symbol)) for symbol in symbols}
        self.every = LatestTopic(keys=max(len(symbols), 1))
        """The topic of all of them together."""
        self.times: dict[str, int] = {}
        """The venue's time (µs) of each symbol's last quote."""
        self.newest = 0
        """The time (µs) of the quote that was heard last, of whichever symbol."""
        self._fanout = fanout
        self._clock = clock
        self._ahead = 0  # what the venue's clock is ahead of ours, by its last live quote

    def venue_now(self) -> int:
        """Return the time at the venue: a replayed market is in its own past."""
        return self._clock() + self._ahead

    def last(self, symbol: str) -> bytes | None:
        """Return a symbol's last quote as JSON, if there was one."""
        return self.feeds[symbol].last

    def watch(self, symbol: str, watcher: Hearer) -> None:
        """Give every quote of a symbol to `watcher` too."""
        self.feeds[symbol].watchers[watcher] = None

    def unwatch(self, symbol: str, watcher: Hearer) -> None:
        """Give it no more."""
        del self.feeds[symbol].watchers[watcher]

    def hear(self, symbol: str, data: bytes) -> None:
        """Take a quote. Raises MsgspecError, KeyError."""
        time = _decode(data).timestamp * 1000
        feed = self.feeds[symbol]
        now = self._clock()
        feed.last, feed.time = data, time
        self._ahead = time - now
        self.times[symbol] = time
        self.newest = time
        if self._fanout.listened(self.every):
            frame = wire.text_frame(wire.plain_quote(symbol, data))
            self._fanout.publish_latest(self.every, frame, symbol)
        if self._fanout.listened(feed.topic):
            self._tell(feed, data, now)
        if feed.watchers:
            for watcher in tuple(feed.watchers):
                watcher(symbol, data)

    def catch_up(self, symbol: str, data: bytes) -> None:
        """Take the quote that was kept while we may have missed some. Raises MsgspecError."""
        time = _decode(data).timestamp * 1000
        feed = self.feeds[symbol]
        self.newest = max(self.newest, time)
        if time > feed.time:
            feed.last, feed.time = data, time
            if self._fanout.listened(feed.topic):
                self._tell(feed, data, self._clock())

    def _tell(self, feed: PriceFeed, data: bytes, now: int) -> None:
        message = wire.update("price", feed.channel.name, data, wire.timestamp(now))
        self._fanout.publish_latest(feed.topic, wire.text_frame(message))


_decode = msgspec.json.Decoder(QuoteMessage).decode
