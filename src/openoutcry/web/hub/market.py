"""The market as the hub tells it: what the bus says, merged with snapshots, for each open channel.

A channel is opened when its first client asks for it: listen first, then read the snapshot, then
merge. It is closed when its last client leaves. After the bus was lost, every open channel reads
its snapshot again and tells what changed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

import msgspec
import structlog

from openoutcry.core import frames
from openoutcry.core.candle_messages import BaseCandles
from openoutcry.core.intervals import MINUTE
from openoutcry.core.keys import (
    PRICES,
    STATS_TRADES,
    TICKERS,
    candles_channel,
    market_channel,
    trades_channel,
)
from openoutcry.core.quotes import QuoteMessage
from openoutcry.core.tickers import Ticker
from openoutcry.errors import FrameError, StoreUnavailableError
from openoutcry.model import Side, Trade
from openoutcry.web.hub import wire
from openoutcry.web.hub.candles import CandleView
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.outbox import LatestTopic, NewestTopic
from openoutcry.web.hub.sources import Bus, Snapshots
from openoutcry.web.hub.stats import StatsFeed
from openoutcry.web.hub.tape import SIZE, Tape
from openoutcry.web.hub.tickers import TickersFeed

OPEN_SECONDS: Final = 5.0
"""How long a client waits for a snapshot before it is told `unavailable`."""
TAPE_MINUTES: Final = 10
READERS: Final = 4
"""How many snapshots are read from the store at once."""

log = structlog.get_logger(__name__)


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


OpenFeed = CandleFeed | TradeFeed | TickersFeed | StatsFeed
Feed = PriceFeed | OpenFeed


class Market:
    """Everything that public channels tell. `clock` returns µs since 1970."""

    def __init__(
        self,
        symbols: Collection[str],
        fanout: Fanout,
        bus: Bus,
        store: Snapshots,
        clock: Callable[[], int],
    ) -> None:
        self.symbols = tuple(symbols)
        self.every_quote = LatestTopic(keys=max(len(self.symbols), 1))
        self.hearers: dict[str, Hearer] = {}
        """Who else hears the bus, by the kind of channel; quotes have watchers."""
        self.times: dict[str, int] = {}
        self.last_time = 0
        """The time (µs) of the quote that was heard last, of whichever symbol."""
        self.bad_messages = 0
        self._fanout = fanout
        self._bus = bus
        self._store = store
        self._clock = clock
        self._ahead = 0  # what the venue's clock is ahead of ours, by its last live quote
        self._readers = asyncio.Semaphore(READERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._prices = {symbol: PriceFeed(Channel("price", symbol)) for symbol in self.symbols}
        self._feeds: dict[Channel, OpenFeed] = {}
        self._users: dict[Channel, int] = {}
        self._opening: dict[Channel, asyncio.Task[None]] = {}
        for symbol in self.symbols:
            bus.want(market_channel(symbol))

    # --- for sessions -----------------------------------------------------------------------------

    def acquire(self, channel: Channel) -> Feed:
        """Return the feed of a channel and hold it open until `release`."""
        if channel.kind == "price":
            return self._prices[channel.symbol]
        if channel not in self._feeds:
            self._feeds[channel] = self._make(channel)
            for name in _bus_channels(channel):
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
            for name in _bus_channels(channel):
                self._bus.unwant(name)
            if opening := self._opening.pop(channel, None):
                opening.cancel()

    def _make(self, channel: Channel) -> OpenFeed:
        if channel.kind == "candle":
            return CandleFeed(channel)
        if channel.kind == "trade":
            return TradeFeed(channel, self._clock)
        if channel.kind == STATS_TRADES:
            return StatsFeed(channel)
        return TickersFeed(channel, self.symbols, self._clock)

    async def opened(self, feed: Feed) -> None:
        """Return when the feed has its snapshot. Raises StoreUnavailableError."""
        if isinstance(feed, PriceFeed) or feed.loaded:
            return
        opening = self._opening.get(feed.channel)
        if opening is None:
            opening = self._opening[feed.channel] = self._start(self._open(feed))
            opening.add_done_callback(lambda task: self._opened(feed.channel, task))
        await asyncio.shield(opening)

    def watch_quotes(self, symbol: str, watcher: Hearer) -> None:
        """Give every quote of a symbol to `watcher` too."""
        self._prices[symbol].watchers[watcher] = None

    def unwatch_quotes(self, symbol: str, watcher: Hearer) -> None:
        """Give it no more."""
        del self._prices[symbol].watchers[watcher]

    def last_quote(self, symbol: str) -> bytes | None:
        """Return a symbol's last quote as JSON, if there was one."""
        return self._prices[symbol].last

    def snapshot(self, feed: Feed) -> bytes:
        """Return the feed's present state as JSON."""
        return feed.snapshot(self.venue_now())

    def venue_now(self) -> int:
        """Return the time at the venue: a replayed market is in its own past."""
        return self._clock() + self._ahead

    # --- for the bus ------------------------------------------------------------------------------

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of the bus. One that cannot be read is counted and left out."""
        kind, _, symbol = channel.partition(":")
        try:
            if kind == "market":
                self._on_quote(symbol, data)
            elif kind == "candles":
                self._on_candles(symbol, _decode_candles(data))
            else:
                if kind == "trades":
                    self._on_trades(symbol, data)
                elif kind in (TICKERS, PRICES):
                    self._on_tickers(kind, data)
                elif channel == STATS_TRADES:
                    self._on_stats(data)
                if hearer := self.hearers.get(kind):
                    hearer(symbol, data)
        except (msgspec.MsgspecError, FrameError, LookupError, ValueError) as error:
            self.bad_messages += 1
            log.warning("hub.bad_message", channel=channel, error=str(error))

    async def on_connected(self) -> None:
        """Read the present state of everything that is open: messages may have been missed."""
        try:
            for symbol, data in (await self._bus.last_quotes()).items():
                if symbol in self._prices:
                    self._on_last_quote(symbol, data)
        except StoreUnavailableError as error:
            log.warning("hub.no_last_quotes", error=str(error))
        for feed in tuple(self._feeds.values()):
            if feed.loaded:
                self._start(self._reopen(feed))

    # --- for the clock ----------------------------------------------------------------------------

    def tick(self) -> None:
        """Tell the candles that time alone has closed, and changed tickers. Call it once a second."""
        now = self.venue_now()
        for feed in tuple(self._feeds.values()):
            if isinstance(feed, CandleFeed) and feed.loaded:
                self._tell_candles(feed, feed.view.tick(now))
            elif isinstance(feed, TickersFeed):
                feed.tell(self._fanout)

    async def aclose(self) -> None:
        """Stop reading snapshots."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- quotes -----------------------------------------------------------------------------------

    def _on_quote(self, symbol: str, data: bytes) -> None:
        time = _decode_quote(data).timestamp * 1000
        feed = self._prices[symbol]
        now = self._clock()
        feed.last, feed.time = data, time
        self._ahead = time - now
        self.times[symbol] = time
        self.last_time = time
        if self._fanout.listened(self.every_quote):
            frame = wire.text_frame(wire.plain_quote(symbol, data))
            self._fanout.publish_latest(self.every_quote, frame, symbol)
        if self._fanout.listened(feed.topic):
            self._tell_quote(feed, data, now)
        if feed.watchers:
            for watcher in tuple(feed.watchers):
                watcher(symbol, data)

    def _on_last_quote(self, symbol: str, data: bytes) -> None:
        try:
            time = _decode_quote(data).timestamp * 1000
        except msgspec.MsgspecError:
            self.bad_messages += 1
            return
        feed = self._prices[symbol]
        self.last_time = max(self.last_time, time)
        if time > feed.time:
            feed.last, feed.time = data, time
            if self._fanout.listened(feed.topic):
                self._tell_quote(feed, data, self._clock())

    def _tell_quote(self, feed: PriceFeed, data: bytes, now: int) -> None:
        message = wire.update("price", feed.channel.name, data, wire.timestamp(now))
        self._fanout.publish_latest(feed.topic, wire.text_frame(message))

    # --- candles ----------------------------------------------------------------------------------

    def _on_candles(self, symbol: str, message: BaseCandles) -> None:
        now = self.venue_now()
        for feed in tuple(self._feeds.values()):
            if isinstance(feed, CandleFeed) and feed.channel.symbol == symbol:
                rows = message.rows.get(feed.view.interval.base, ())
                self._tell_candles(feed, feed.view.apply(rows, message.coverage, now))
                if repairs := feed.view.repairs():
                    self._start(self._repair(feed, repairs))

    async def _repair(self, feed: CandleFeed, buckets: list[int]) -> None:
        interval = feed.view.interval
        try:
            for bucket in buckets:
                async with self._readers:
                    rows, coverage = await self._store.recent(
                        feed.channel.symbol, interval.base, bucket, interval.next(bucket)
                    )
                told = feed.view.repair(bucket, rows, coverage, self.venue_now())
                self._tell_candles(feed, told)
        except StoreUnavailableError as error:
            log.warning("hub.no_repair", channel=feed.channel.name, error=str(error))

    def _tell_candles(self, feed: CandleFeed, candles: list[wire.LiveCandle]) -> None:
        if not candles:
            return
        for watcher in tuple(feed.watchers):
            watcher(candles)
        if not self._fanout.listened(feed.topic):
            return
        stamp = wire.timestamp(self._clock())
        for live in candles:
            message = wire.update("candle", feed.channel.name, feed.data(live), stamp)
            self._fanout.publish_latest(feed.topic, wire.text_frame(message), live.candle.bucket)

    # --- trades -----------------------------------------------------------------------------------

    def _on_trades(self, symbol: str, data: bytes) -> None:
        feed = self._feeds.get(Channel("trade", symbol))
        if isinstance(feed, TradeFeed):
            trades = wire.tape_trades(frames.decode(data))
            self._tell_trades(feed, feed.tape.apply(trades))

    def _tell_trades(self, feed: TradeFeed, trades: list[wire.TapeTrade]) -> None:
        if trades and self._fanout.listened(feed.topic):
            texts = [trade.text for trade in trades]
            self._fanout.publish_newest(feed.topic, feed.frame(texts, 0), texts)

    # --- tickers ----------------------------------------------------------------------------------

    def _on_tickers(self, kind: str, data: bytes) -> None:
        feed = self._feeds.get(_TICKERS)
        if isinstance(feed, TickersFeed):
            if kind == TICKERS:
                feed.apply(_decode_tickers(data))
            elif feed.loaded:
                self._start(self._reopen(feed))

    # --- the trade counter ------------------------------------------------------------------------

    def _on_stats(self, data: bytes) -> None:
        feed = self._feeds.get(_STATS)
        if isinstance(feed, StatsFeed):
            frame = feed.apply(data, wire.timestamp(self._clock()))
            self._fanout.publish_latest(feed.topic, frame)

    async def _load_stats(self, feed: StatsFeed) -> None:
        heard = feed.heard
        kept = await self._bus.last_stats()
        try:
            frame = feed.load(kept, heard, wire.timestamp(self._clock()))
        except msgspec.DecodeError as error:
            self.bad_messages += 1
            log.warning("hub.bad_message", channel=feed.channel.name, error=str(error))
        else:
            if frame is not None:
                self._fanout.publish_latest(feed.topic, frame)

    # --- opening ----------------------------------------------------------------------------------

    async def _open(self, feed: OpenFeed) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                for name in _bus_channels(feed.channel):
                    await self._bus.heard(name)
                await self._load(feed)
        except TimeoutError:
            raise StoreUnavailableError(f"No snapshot within {OPEN_SECONDS:g} s.") from None

    async def _reopen(self, feed: OpenFeed) -> None:
        try:
            await self._open(feed)
        except StoreUnavailableError as error:
            log.warning("hub.no_snapshot", channel=feed.channel.name, error=str(error))

    async def _load(self, feed: OpenFeed) -> None:
        if isinstance(feed, TickersFeed):
            feed.load(await self._bus.known_tickers())
            return
        if isinstance(feed, StatsFeed):
            await self._load_stats(feed)
            return
        symbol = feed.channel.symbol
        # A quiet or replayed market's newest candles are as old as its last quote.
        at = self._prices[symbol].time or self.venue_now()
        async with self._readers:
            if isinstance(feed, CandleFeed):
                start = feed.view.start(min(at, self.venue_now()))
                rows, coverage = await self._store.recent(symbol, feed.view.interval.base, start)
                told = feed.view.load(rows, coverage, start, self.venue_now())
                self._tell_candles(feed, told)
            else:
                since = at - TAPE_MINUTES * MINUTE
                trades = await self._store.newest_trades(symbol, since, SIZE)
                self._tell_trades(feed, feed.tape.load(map(_tape_trade, trades)))

    def _opened(self, channel: Channel, task: asyncio.Task[None]) -> None:
        if self._opening.get(channel) is task:
            del self._opening[channel]
        if not task.cancelled():
            task.exception()  # waiters have it; without any, it is not an error

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _bus_channels(channel: Channel) -> tuple[str, ...]:
    """Return what of the bus a channel is made of; `prices` tells when REST has brought new tickers."""
    if channel.kind == "tickers":
        return TICKERS, PRICES
    if channel.kind == STATS_TRADES:
        return (STATS_TRADES,)
    name = candles_channel if channel.kind == "candle" else trades_channel
    return (name(channel.symbol),)


def _tape_trade(trade: Trade) -> wire.TapeTrade:
    side = 1 if trade.side is Side.BUY else -1
    price, size = wire.decimal_text(trade.price), wire.decimal_text(trade.size)
    text = wire.trade_text(trade.trade_id, price, size, side, trade.venue_time)
    return wire.TapeTrade(trade.trade_id, text)


_TICKERS = Channel("tickers")
_STATS = Channel(STATS_TRADES)
_decode_tickers = msgspec.json.Decoder(list[Ticker]).decode
_decode_quote = msgspec.json.Decoder(QuoteMessage).decode
_decode_candles = msgspec.json.Decoder(BaseCandles).decode
