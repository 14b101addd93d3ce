"""The market as the hub tells it: what the bus says, merged with snapshots, for each open channel.

A channel is opened when its first client asks for it: listen first, then read the snapshot, then
merge. It is closed when its last client leaves. After the bus was lost, every open channel reads
its snapshot again and tells what changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec
import structlog

from openoutcry.core import frames
from openoutcry.core.candle_messages import BaseCandles
from openoutcry.core.keys import PRICES, STATS_TRADES, TICKERS, TOKENS_TOP, market_channel
from openoutcry.core.tickers import Ticker
from openoutcry.errors import FrameError, StoreUnavailableError
from openoutcry.web.hub import wire
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.feeds import CandleFeed, Feed, Hearer, OpenFeed, PriceFeed, TradeFeed
from openoutcry.web.hub.loader import Loader, bus_channels
from openoutcry.web.hub.quotes import Quotes
from openoutcry.web.hub.sources import Bus, Snapshots
from openoutcry.web.hub.stats import StatsFeed
from openoutcry.web.hub.teller import Teller
from openoutcry.web.hub.tickers import TickersFeed
from openoutcry.web.hub.tokens import TokenFeed, TokenStore, TopFeed, decode_change

log = structlog.get_logger(__name__)


class Market:
    """Everything that public channels tell. `clock` returns µs since 1970."""

    def __init__(
        self,
        symbols: Collection[str],
        fanout: Fanout,
        bus: Bus,
        store: Snapshots,
        clock: Callable[[], int],
        *,
        tokens: TokenStore | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self.quotes = Quotes(self.symbols, fanout, clock)
        self.hearers: dict[str, Hearer] = {}
        """Who else hears the bus, by the kind of channel; quotes have watchers."""
        self.bad_messages = 0
        self._fanout = fanout
        self._bus = bus
        self._clock = clock
        self._teller = Teller(fanout, clock)
        self._loader = Loader(bus, store, self.quotes, self._teller, self._note_bad, tokens=tokens)
        self._feeds: dict[Channel, OpenFeed] = {}
        self._users: dict[Channel, int] = {}
        for symbol in self.symbols:
            bus.want(market_channel(symbol))

    # --- for sessions -----------------------------------------------------------------------------

    def acquire(self, channel: Channel) -> Feed:
        """Return the feed of a channel and hold it open until `release`."""
        if channel.kind == "price":
            return self.quotes.feeds[channel.symbol]
        if channel not in self._feeds:
            self._feeds[channel] = self._make(channel)
            for name in bus_channels(channel):
                self._bus.want(name)
        self._users[channel] = self._users.get(channel, 0) + 1
        return self._feeds[channel]

    def release(self, channel: Channel) -> None:
        """Let go of a channel; the last one out closes it."""
        if channel.kind == "price":
            return
        self._users[channel] -= 1
        if not self._users[channel]:
            del self._users[channel], self._feeds[channel]
            for name in bus_channels(channel):
                self._bus.unwant(name)
            self._loader.closed(channel)

    def _make(self, channel: Channel) -> OpenFeed:
        if channel.kind == "candle":
            return CandleFeed(channel)
        if channel.kind == "trade":
            return TradeFeed(channel, self._clock)
        if channel.kind == STATS_TRADES:
            return StatsFeed(channel)
        if channel.kind == "token":
            return TokenFeed(channel, self._clock)
        if channel.kind == TOKENS_TOP:
            return TopFeed(channel, self._clock)
        return TickersFeed(channel, self.symbols, self._clock)

    async def opened(self, feed: Feed) -> None:
        """Return when the feed has its snapshot. Raises StoreUnavailableError, NotFoundError."""
        if not isinstance(feed, PriceFeed) and not feed.loaded:
            await self._loader.opened(feed)

    def snapshot(self, feed: Feed) -> bytes:
        """Return the feed's present state as JSON."""
        return feed.snapshot(self.venue_now())

    def venue_now(self) -> int:
        """Return the time at the venue: a replayed market is in its own past."""
        return self.quotes.venue_now()

    # --- for the bus ------------------------------------------------------------------------------

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of the bus. One that cannot be read is counted and left out."""
        kind, _, symbol = channel.partition(":")
        try:
            if kind == "market":
                self.quotes.hear(symbol, data)
            elif kind == "candles":
                self._on_candles(symbol, _decode_candles(data))
            else:
                if kind == "trades":
                    self._on_trades(symbol, data)
                elif kind in (TICKERS, PRICES):
                    self._on_tickers(kind, data)
                elif channel == STATS_TRADES:
                    self._on_stats(data)
                elif kind in ("token", "tokens"):
                    self._on_tokens(symbol, data)
                if hearer := self.hearers.get(kind):
                    hearer(symbol, data)
        except (msgspec.MsgspecError, FrameError, LookupError, ValueError) as error:
            self._note_bad(channel, error)

    async def on_connected(self) -> None:
        """Read the present state of everything that is open: messages may have been missed."""
        try:
            for symbol, data in (await self._bus.last_quotes()).items():
                if symbol in self.quotes.feeds:
                    self._catch_up(symbol, data)
        except StoreUnavailableError as error:
            log.warning("hub.no_last_quotes", error=str(error))
        for feed in tuple(self._feeds.values()):
            if feed.loaded:
                self._loader.reopen(feed)

    def _catch_up(self, symbol: str, data: bytes) -> None:
        try:
            self.quotes.catch_up(symbol, data)
        except msgspec.MsgspecError:
            self.bad_messages += 1

    def _note_bad(self, channel: str, error: Exception) -> None:
        self.bad_messages += 1
        log.warning("hub.bad_message", channel=channel, error=str(error))

    # --- for the clock ----------------------------------------------------------------------------

    def tick(self) -> None:
        """Tell the candles that time alone has closed, and changed tickers. Call it once a second."""
        now = self.venue_now()
        for feed in tuple(self._feeds.values()):
            if isinstance(feed, CandleFeed) and feed.loaded:
                self._teller.candles(feed, feed.view.tick(now))
            elif isinstance(feed, TickersFeed):
                feed.tell(self._fanout)

    async def aclose(self) -> None:
        """Stop reading snapshots."""
        await self._loader.aclose()

    # --- what the bus says ------------------------------------------------------------------------

    def _on_candles(self, symbol: str, message: BaseCandles) -> None:
        now = self.venue_now()
        for feed in tuple(self._feeds.values()):
            if isinstance(feed, CandleFeed) and feed.channel.symbol == symbol:
                rows = message.rows.get(feed.view.interval.base, ())
                self._teller.candles(feed, feed.view.apply(rows, message.coverage, now))
                if repairs := feed.view.repairs():
                    self._loader.repair(feed, repairs)

    def _on_trades(self, symbol: str, data: bytes) -> None:
        feed = self._feeds.get(Channel("trade", symbol))
        if isinstance(feed, TradeFeed):
            trades = wire.tape_trades(frames.decode(data))
            self._teller.trades(feed, feed.tape.apply(trades))

    def _on_tickers(self, kind: str, data: bytes) -> None:
        feed = self._feeds.get(_TICKERS)
        if isinstance(feed, TickersFeed):
            if kind == TICKERS:
                feed.apply(_decode_tickers(data))
            elif feed.loaded:
                self._loader.reopen(feed)

    def _on_tokens(self, what: str, data: bytes) -> None:
        """Take the news of one token, whose address is in braces, or the list of the largest."""
        top = self._feeds.get(_TOP)
        if what == "top" and isinstance(top, TopFeed):
            self._fanout.publish_latest(top.topic, top.apply(data))
            return
        feed = self._feeds.get(Channel("token", what.strip("{}")))
        if isinstance(feed, TokenFeed):
            message = decode_change(data)
            self._teller.token(feed, feed.apply(message))
            if message.missed and feed.loaded:
                self._loader.reopen(feed)

    def _on_stats(self, data: bytes) -> None:
        feed = self._feeds.get(_STATS)
        if isinstance(feed, StatsFeed):
            frame = feed.apply(data, self._teller.stamp())
            self._fanout.publish_latest(feed.topic, frame)


_TICKERS = Channel("tickers")
_STATS = Channel(STATS_TRADES)
_TOP = Channel(TOKENS_TOP)
_decode_tickers = msgspec.json.Decoder(list[Ticker]).decode
_decode_candles = msgspec.json.Decoder(BaseCandles).decode
