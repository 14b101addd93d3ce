"""Snapshots of channels: read when one is opened, again when something was missed, or to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from openoutcry.core.intervals import MINUTE
from openoutcry.core.keys import (
    PRICES,
    STATS_TRADES,
    TICKERS,
    TOKENS_TOP,
    candles_channel,
    token_channel,
    trades_channel,
)
from openoutcry.errors import NotFoundError, StoreUnavailableError
from openoutcry.model import Side, Trade
from openoutcry.web.hub import wire
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.feeds import CandleFeed, OpenFeed
from openoutcry.web.hub.quotes import Quotes
from openoutcry.web.hub.sources import Bus, Snapshots
from openoutcry.web.hub.stats import StatsFeed
from openoutcry.web.hub.tape import SIZE
from openoutcry.web.hub.teller import Teller
from openoutcry.web.hub.tickers import TickersFeed
from openoutcry.web.hub.tokens import TokenFeed, TokenStore, TopFeed

OPEN_SECONDS: Final = 5.0
"""How long a client waits for a snapshot before it is told `unavailable`."""
TAPE_MINUTES: Final = 10
READERS: Final = 4
"""How many snapshots are read from the store at once."""

log = structlog.get_logger(__name__)


class Loader:
    """Reads snapshots into feeds. `on_bad` is told the channel of what cannot be read, and why."""

    def __init__(
        self,
        bus: Bus,
        store: Snapshots,
        quotes: Quotes,
        teller: Teller,
        on_bad: Callable[[str, Exception], None],
        *,
        tokens: TokenStore | None = None,
    ) -> None:
        self._bus = bus
        self._store = store
        self._quotes = quotes
        self._teller = teller
        self._on_bad = on_bad
        self._tokens = tokens
        self._readers = asyncio.Semaphore(READERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: dict[Channel, asyncio.Task[None]] = {}

    # --- opening ----------------------------------------------------------------------------------

    async def opened(self, feed: OpenFeed) -> None:
        """Return when the feed has its snapshot. Raises StoreUnavailableError.

        Raises NotFoundError for a token that there is not.
        """
        opening = self._opening.get(feed.channel)
        if opening is None:
            opening = self._opening[feed.channel] = self._start(self._open(feed))
            opening.add_done_callback(lambda task: self._opened(feed.channel, task))
        await asyncio.shield(opening)

    def reopen(self, feed: OpenFeed) -> None:
        """Read a feed's snapshot again, and tell what has changed."""
        self._start(self._reopen(feed))

    def repair(self, feed: CandleFeed, buckets: list[int]) -> None:
        """Read these candles again, and tell what has changed."""
        self._start(self._repair(feed, buckets))

    def closed(self, channel: Channel) -> None:
        """Read no more for a channel that nobody holds open."""
        if opening := self._opening.pop(channel, None):
            opening.cancel()

    async def aclose(self) -> None:
        """Stop reading snapshots."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _opened(self, channel: Channel, task: asyncio.Task[None]) -> None:
        if self._opening.get(channel) is task:
            del self._opening[channel]
        if not task.cancelled():
            task.exception()  # waiters have it; without any, it is not an error

    async def _open(self, feed: OpenFeed) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                for name in bus_channels(feed.channel):
                    await self._bus.heard(name)
                await self._load(feed)
        except TimeoutError:
            raise StoreUnavailableError(f"No snapshot within {OPEN_SECONDS:g} s.") from None

    async def _reopen(self, feed: OpenFeed) -> None:
        try:
            await self._open(feed)
        except (StoreUnavailableError, NotFoundError) as error:
            log.warning("hub.no_snapshot", channel=feed.channel.name, error=str(error))

    # --- reading ----------------------------------------------------------------------------------

    async def _load(self, feed: OpenFeed) -> None:
        if isinstance(feed, TickersFeed):
            feed.load(await self._bus.known_tickers())
            return
        if isinstance(feed, StatsFeed):
            await self._load_stats(feed)
            return
        if isinstance(feed, TokenFeed | TopFeed):
            async with self._readers:
                await self._load_tokens(feed)
            return
        symbol, quotes = feed.channel.symbol, self._quotes
        # A quiet or replayed market's newest candles are as old as its last quote.
        at = quotes.feeds[symbol].time or quotes.venue_now()
        async with self._readers:
            if isinstance(feed, CandleFeed):
                start = feed.view.start(min(at, quotes.venue_now()))
                rows, coverage = await self._store.recent(symbol, feed.view.interval.base, start)
                told = feed.view.load(rows, coverage, start, quotes.venue_now())
                self._teller.candles(feed, told)
            else:
                since = at - TAPE_MINUTES * MINUTE
                trades = await self._store.newest_trades(symbol, since, SIZE)
                self._teller.trades(feed, feed.tape.load(map(_tape_trade, trades)))

    async def _load_stats(self, feed: StatsFeed) -> None:
        heard = feed.heard
        kept = await self._bus.last_stats()
        try:
            frame = feed.load(kept, heard, self._teller.stamp())
        except msgspec.DecodeError as error:
            self._on_bad(feed.channel.name, error)
        else:
            if frame is not None:
                self._teller.fanout.publish_latest(feed.topic, frame)

    async def _load_tokens(self, feed: TokenFeed | TopFeed) -> None:
        if self._tokens is None:
            raise NotFoundError("No chain is followed here; set chain_rpc_urls and launchpads.")
        if isinstance(feed, TopFeed):
            heard = feed.heard
            frame = feed.load(await self._tokens.top(), heard)
            if frame is not None:
                self._teller.fanout.publish_latest(feed.topic, frame)
            return
        page = await self._tokens.page(feed.address)
        if page is None:
            raise NotFoundError(
                f"There is no token {feed.channel.symbol}: no launchpad that is followed has made it, or"
                " its block has not been read yet."
            )
        self._teller.token(feed, feed.load(page))

    async def _repair(self, feed: CandleFeed, buckets: list[int]) -> None:
        interval = feed.view.interval
        try:
            for bucket in buckets:
                async with self._readers:
                    rows, coverage = await self._store.recent(
                        feed.channel.symbol, interval.base, bucket, interval.next(bucket)
                    )
                told = feed.view.repair(bucket, rows, coverage, self._quotes.venue_now())
                self._teller.candles(feed, told)
        except StoreUnavailableError as error:
            log.warning("hub.no_repair", channel=feed.channel.name, error=str(error))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def bus_channels(channel: Channel) -> tuple[str, ...]:
    """Return what of the bus a channel is made of; `prices` tells when REST has brought new tickers."""
    if channel.kind == "tickers":
        return TICKERS, PRICES
    if channel.kind == STATS_TRADES:
        return (STATS_TRADES,)
    if channel.kind == TOKENS_TOP:
        return (TOKENS_TOP,)
    if channel.kind == "token":
        return (token_channel(channel.symbol),)
    name = candles_channel if channel.kind == "candle" else trades_channel
    return (name(channel.symbol),)


def _tape_trade(trade: Trade) -> wire.TapeTrade:
    side = 1 if trade.side is Side.BUY else -1
    price, size = wire.decimal_text(trade.price), wire.decimal_text(trade.size)
    text = wire.trade_text(trade.trade_id, price, size, side, trade.venue_time)
    return wire.TapeTrade(trade.trade_id, text)
