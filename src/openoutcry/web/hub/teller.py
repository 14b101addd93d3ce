"""Changes of candles and new trades on their way to the clients of a channel."""

from __future__ import annotations

from collections.abc import Callable

from openoutcry.web.hub import wire
from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.feeds import CandleFeed, TradeFeed
from openoutcry.web.hub.tokens import Change, TokenFeed


class Teller:
    """Tells what has changed. `clock` returns µs since 1970."""

    def __init__(self, fanout: Fanout, clock: Callable[[], int]) -> None:
        self.fanout = fanout
        self._clock = clock

    def stamp(self) -> str:
        """Return the time that a message of now bears."""
        return wire.timestamp(self._clock())

    def candles(self, feed: CandleFeed, candles: list[wire.LiveCandle]) -> None:
        """Tell watchers and clients of changed candles, if there are any."""
        if not candles:
            return
        for watcher in tuple(feed.watchers):
            watcher(candles)
        if not self.fanout.listened(feed.topic):
            return
        stamp = self.stamp()
        for live in candles:
            message = wire.update("candle", feed.channel.name, feed.data(live), stamp)
            self.fanout.publish_latest(feed.topic, wire.text_frame(message), live.candle.bucket)

    def trades(self, feed: TradeFeed, trades: list[wire.TapeTrade]) -> None:
        """Tell clients of new trades, if there are any."""
        if trades and self.fanout.listened(feed.topic):
            texts = [trade.text for trade in trades]
            self.fanout.publish_newest(feed.topic, feed.frame(texts, 0), texts)

    def token(self, feed: TokenFeed, change: Change | None) -> None:
        """Tell clients what has happened to a token, if anything has."""
        if change is not None and self.fanout.listened(feed.topic):
            feed.topic.note(change)
            self.fanout.publish_noted(feed.topic, feed.frame(change))
