"""Binance's streams as the hub tells them: who listens to what, and which desk speaks.

A stream is made while somebody listens to it, and once for all who do. The rules of what goes out
when are those of `venues.binance_stream_events`, which the sandbox exchange follows too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from openoutcry.core import frames
from openoutcry.core.intervals import SECOND
from openoutcry.core.keys import TICKERS, trades_channel
from openoutcry.services.market_time import MarketTime
from openoutcry.venues.binance_server import Stream
from openoutcry.web.hub.binance_books import Books
from openoutcry.web.hub.binance_desk import Desk, Floor
from openoutcry.web.hub.binance_kline_desk import KlineDesk
from openoutcry.web.hub.binance_ticker_desk import TickerDesk
from openoutcry.web.hub.binance_topics import Publication, Style
from openoutcry.web.hub.binance_trade_desk import TradeDesk
from openoutcry.web.hub.binance_trades import batch_of_frame
from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.outbox import Topic
from openoutcry.web.hub.sources import Bus, Snapshots

_NEARLY: Final = SECOND * 9 // 10

log = structlog.get_logger(__name__)


class BinanceMarket:
    """Everything that Binance's streams tell: the sink of a bus, in the place of `market`.

    `clock` returns µs since 1970. In a `replay` the market has a time of its own.
    """

    def __init__(
        self,
        fanout: Fanout,
        market: Market,
        bus: Bus,
        store: Snapshots,
        clock: Callable[[], int],
        *,
        replay: bool = False,
    ) -> None:
        self._fanout = fanout
        self._market = market
        self._clock = clock
        self._time = MarketTime(replay=replay)
        self._floor = Floor(bus, store, market, self.now)
        self._books = Books(self._floor)
        self._trades = TradeDesk(self._floor)
        self._tickers = TickerDesk(self._floor, self._books)
        self._desks: dict[str, Desk] = {
            "trade": self._trades,
            "aggTrade": self._trades,
            "kline": KlineDesk(self._floor),
            "bookTicker": self._books,
            "ticker": self._tickers,
            "miniTicker": self._tickers,
            "miniTickers": self._tickers,
        }
        self._open: dict[str, Publication] = {}
        market.hearers |= {
            "trades": self._on_trades,
            "book": self._books.on_book,
            TICKERS: self._on_tickers,
        }
        self.on_message = market.on_message
        self._beat = self._told = 0

    def now(self) -> int:
        """Return the market's time in µs."""
        self._time.hear(self._market.quotes.newest)
        return self._time.now()

    # --- for connections --------------------------------------------------------------------------

    def acquire(self, stream: Stream, style: Style) -> Topic | None:
        """Return what to join for a stream, to be held until `release`; None: it is silent."""
        if not self._exists(stream):
            return None
        publication = self._open.get(stream.name)
        if publication is None:
            publication = self._open[stream.name] = Publication(stream, self._fanout)
            self._desks[stream.kind].add(publication)
        return publication.hold(style)

    def release(self, stream: Stream, style: Style) -> None:
        """Let go of a stream; the last one out closes it."""
        publication = self._open.get(stream.name)
        if publication is not None:
            publication.drop(style)
            if not publication.used:
                del self._open[stream.name]
                self._desks[stream.kind].remove(publication)

    def _exists(self, stream: Stream) -> bool:
        known = not stream.symbol or stream.symbol in self._floor.symbols
        return known and stream.kind in self._desks

    # --- for the bus ------------------------------------------------------------------------------

    async def on_connected(self) -> None:
        """Messages may have been missed: read the present state."""
        await self._market.on_connected()
        for desk in dict.fromkeys(self._desks.values()):
            desk.connected()

    def _on_trades(self, symbol: str, data: bytes) -> None:
        if trades_channel(symbol) not in self._floor.wanted:
            return  # it is the market's own
        batch = batch_of_frame(frames.decode(data))
        if batch.rows:
            # Of several quotes that came in one turn only the last is looked at.
            self._time.hear(batch.rows[-1][1])
            self._trades.take(symbol, batch)
            self._tickers.traded(symbol, batch)

    def _on_tickers(self, _: str, data: bytes) -> None:
        if TICKERS in self._floor.wanted:
            self._tickers.on_tickers(data)

    # --- for the clock ----------------------------------------------------------------------------

    def second(self) -> None:
        """Tell what comes once a second; called more often, it waits."""
        now = self._clock()
        if 0 <= now - self._told < _NEARLY:
            return
        self._told = now
        self._beat += 1
        for desk in dict.fromkeys(self._desks.values()):
            desk.second(self._beat)

    async def aclose(self) -> None:
        """Stop what is under way."""
        await self._floor.aclose()
