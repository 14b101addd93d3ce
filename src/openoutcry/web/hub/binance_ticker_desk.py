"""`@ticker`, `@miniTicker` and `!miniTicker@arr`: the last 24 hours, exact to the trade.

Once a second the store is asked, in one question, for the symbols that have traded since. The array
of all symbols also has those that are not recorded, as the venue's own tickers tell them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from functools import partial

import msgspec
import structlog
from msgspec import structs

from openoutcry.core.intervals import DAY
from openoutcry.core.keys import TICKERS, trades_channel
from openoutcry.core.scales import to_decimal
from openoutcry.core.tickers import Ticker as VenueTicker
from openoutcry.errors import StoreUnavailableError
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server_data import Bar, Book, Print
from openoutcry.venues.binance_stream_events import Ticker, TickerLine, write_tickers
from openoutcry.web.hub.binance_books import Books
from openoutcry.web.hub.binance_desk import Floor, idle
from openoutcry.web.hub.binance_topics import Publication
from openoutcry.web.hub.binance_trades import Batch

log = structlog.get_logger(__name__)


class TickerDesk:
    """Tells tickers. `traded` gets every committed batch of a wanted symbol."""

    def __init__(self, floor: Floor, books: Books) -> None:
        self._floor = floor
        self._books = books
        self._streams: dict[str, tuple[Publication, TickerLine]] = {}
        self._last: dict[str, Print] = {}
        self._dirty: set[str] = set()
        self._asking: asyncio.Task[None] | None = None
        self._others: dict[str, VenueTicker] = {}

    def add(self, publication: Publication) -> None:
        """Begin to tell a stream, with what there is in the next second."""
        self._streams[publication.stream.name] = publication, TickerLine()
        if not publication.stream.symbol:
            self._floor.want(TICKERS)
        for symbol in self._symbols(publication):
            self._floor.want(trades_channel(symbol))
            self._dirty.add(symbol)
            if publication.stream.kind == "ticker":
                self._books.want(symbol)

    def remove(self, publication: Publication) -> None:
        """Tell it no more."""
        del self._streams[publication.stream.name]
        if not publication.stream.symbol:
            self._floor.unwant(TICKERS)
            self._others.clear()
        for symbol in self._symbols(publication):
            self._floor.unwant(trades_channel(symbol))
            if publication.stream.kind == "ticker":
                self._books.unwant(symbol)
        self._dirty &= self._wanted()
        for symbol in self._last.keys() - self._wanted():
            del self._last[symbol]

    def traded(self, symbol: str, batch: Batch) -> None:
        """Note that a symbol has traded."""
        last = self._last.get(symbol)
        number, time, price, size, _, bought = batch.rows[-1]
        if last is None or number > last.id:
            exact = to_decimal(price, batch.price_scale), to_decimal(size, batch.size_scale)
            self._last[symbol] = Print(number, *exact, time, bought)
        self._dirty.add(symbol)

    def on_tickers(self, data: bytes) -> None:
        """Take the venue's own tickers that changed. Raises MsgspecError for nonsense."""
        for ticker in _decode_tickers(data):
            if ticker.symbol not in self._floor.symbols:
                self._others[ticker.symbol] = ticker

    def connected(self) -> None:
        """Look at every symbol again."""
        self._last.clear()
        self._dirty |= self._wanted()

    def second(self, beat: int) -> None:  # noqa: ARG002  (every desk's)
        """Tell what changed."""
        self._dirty &= self._wanted()
        if (self._dirty or self._others) and idle(self._asking):
            self._asking = self._floor.start(self._tell())

    async def _tell(self) -> None:
        dirty, self._dirty = self._dirty, set()
        others, self._others = list(self._others.values()), {}
        symbols = sorted(dirty)
        now = self._floor.now()
        try:
            if unknown := [symbol for symbol in symbols if symbol not in self._last]:
                for symbol, newest in (await self._floor.store.newest(unknown)).items():
                    self._last.setdefault(symbol, newest)
            bars = await self._floor.store.windows(symbols, now - DAY, now + 1) if symbols else {}
        except StoreUnavailableError as error:
            self._dirty |= dirty
            self._others = {one.symbol: one for one in others} | self._others
            log.warning("hub.no_tickers", error=str(error))
            return
        tickers = {
            symbol: self._ticker(symbol, bar, last)
            for symbol, bar in bars.items()
            if (last := self._last.get(symbol)) is not None
        }
        for publication, line in tuple(self._streams.values()):
            found = [tickers[s] for s in self._symbols(publication) if s in tickers]
            due = line.due(found)
            if not publication.stream.symbol:
                _publish_array(publication, due, others, now)
            elif due:
                _publish(publication, due, now)

    def _ticker(self, symbol: str, bar: Bar, last: Print) -> Ticker:
        """Return a ticker as of the bar's last trade: a newer one may have been heard meanwhile."""
        if bar.trades:
            last = structs.replace(last, id=bar.last_id)
        return Ticker(symbol, bar, last, self._books.of(symbol) or _around(last))

    def _symbols(self, publication: Publication) -> list[str]:
        symbol = publication.stream.symbol
        return [symbol] if symbol else list(self._floor.symbols)

    def _wanted(self) -> set[str]:
        streams = self._streams.values()
        return {symbol for publication, _ in streams for symbol in self._symbols(publication)}


def _publish(publication: Publication, due: list[Ticker], now: int) -> None:
    write = partial(write_tickers, publication.stream, due, now)
    publication.latest(lambda micro: write(micro=micro))


def _publish_array(
    publication: Publication, due: list[Ticker], others: list[VenueTicker], now: int
) -> None:
    def write(micro: bool) -> list[tuple[Hashable, bytes]]:
        ours = [(one.symbol, _mini(one, now, micro=micro)) for one in due]
        return [*ours, *((one.symbol, _venues_own(one, micro=micro)) for one in others)]

    if due or others:
        publication.array(write)


def _mini(ticker: Ticker, now: int, *, micro: bool) -> bytes:
    event = shapes.mini_ticker_event(ticker.symbol, ticker.bar, now, micro=micro)
    return msgspec.json.encode(event)


def _venues_own(ticker: VenueTicker, *, micro: bool) -> bytes:
    return msgspec.json.encode(
        {
            "e": "24hrMiniTicker",
            "E": shapes.stamp(ticker.time, micro=micro),
            "s": ticker.symbol,
            "c": ticker.price,
            "o": ticker.open,
            "h": ticker.high,
            "l": ticker.low,
            "v": ticker.volume,
            "q": ticker.quote_volume,
        }
    )


def _around(last: Print) -> Book:
    """Return the best prices of a market of which only the last trade is known."""
    zero = last.size * 0
    return Book(last.id, last.price, zero, last.price, zero)


_decode_tickers = msgspec.json.Decoder(list[VenueTicker]).decode
