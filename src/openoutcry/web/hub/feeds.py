"""One open channel of the market: its topic, and what a client that comes later is told first."""

from __future__ import annotations

from collections.abc import Callable

from openoutcry.web.hub import wire
from openoutcry.web.hub.candles import CandleView
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.outbox import LatestTopic, NewestTopic
from openoutcry.web.hub.stats import StatsFeed
from openoutcry.web.hub.tape import Tape
from openoutcry.web.hub.tickers import TickersFeed
from openoutcry.web.hub.tokens import TokenFeed, TopFeed

Hearer = Callable[[str, bytes], None]
"""Takes a symbol and a message of the bus; may raise MsgspecError, FrameError or ValueError."""


class PriceFeed:
    """The quotes of one symbol: always heard, so always open."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.topic = LatestTopic()
        self.loaded = True
        self.watchers: dict[Hearer, None] = {}
        """Functions that get every quote, beside the channel's clients."""
        self.last: bytes | None = None
        self.time = 0

    def snapshot(self, now: int) -> bytes:  # noqa: ARG002  (the same for every feed)
        """Return the last quote, or null."""
        return self.last or b"null"


Watcher = Callable[[list[wire.LiveCandle]], None]


class CandleFeed:
    """The candles of one symbol and interval."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.topic = LatestTopic()
        self.view = CandleView(channel.length)
        self.watchers: dict[Watcher, None] = {}
        """Functions that get every change of a candle, beside the channel's clients."""

    @property
    def loaded(self) -> bool:
        """Whether the snapshot is there."""
        return self.view.loaded

    def snapshot(self, now: int) -> bytes:
        """Return the previous and the current candle."""
        return wire.candles_snapshot(map(self.data, self.view.recent(now)))

    def data(self, live: wire.LiveCandle) -> bytes:
        """Return one candle's JSON."""
        return wire.candle_data(self.channel.symbol, self.channel.interval, live)


class TradeFeed:
    """The tape of one symbol."""

    def __init__(self, channel: Channel, clock: Callable[[], int]) -> None:
        self.channel = channel
        self.topic = NewestTopic(self.frame)
        self.tape = Tape()
        self._clock = clock

    @property
    def loaded(self) -> bool:
        """Whether the snapshot is there."""
        return self.tape.loaded

    def snapshot(self, now: int) -> bytes:  # noqa: ARG002  (the same for every feed)
        """Return the newest trades."""
        return wire.trades_snapshot(trade.text for trade in self.tape.recent())

    def frame(self, trades: list[bytes], skipped: int) -> bytes:
        """Return a `trade_update` of these trades."""
        data = wire.trades_data(self.channel.symbol, trades, skipped)
        stamp = wire.timestamp(self._clock())
        return wire.text_frame(wire.update("trade", self.channel.name, data, stamp))


OpenFeed = CandleFeed | TradeFeed | TickersFeed | StatsFeed | TokenFeed | TopFeed
Feed = PriceFeed | OpenFeed
