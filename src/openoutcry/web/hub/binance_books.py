"""Best bids and asks: the venue's own where they are heard, else the quote, with sizes of zero."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec
import structlog

from openoutcry.core.keys import book_channel
from openoutcry.core.quotes import QuoteMessage
from openoutcry.core.tickers import BookTop
from openoutcry.errors import StoreUnavailableError
from openoutcry.venues.binance_server_data import Book
from openoutcry.venues.binance_stream_events import write_book
from openoutcry.web.hub.binance_desk import Floor
from openoutcry.web.hub.binance_topics import Publication

log = structlog.get_logger(__name__)


class Books:
    """The best prices of the symbols that somebody asked for, and `@bookTicker`."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._watcher = self.on_quote
        self._users: dict[str, int] = {}
        self._real: dict[str, Book] = {}
        self._told: dict[str, Book] = {}
        self._streams: dict[str, dict[str, Publication]] = {}

    def want(self, symbol: str) -> None:
        """Follow a symbol. Each `want` needs its `unwant`."""
        self._users[symbol] = self._users.get(symbol, 0) + 1
        if self._users[symbol] == 1:
            self._floor.want(book_channel(symbol))
            self._floor.start(self._read([symbol]))

    def unwant(self, symbol: str) -> None:
        """Follow a symbol no more."""
        self._users[symbol] -= 1
        if not self._users[symbol]:
            del self._users[symbol]
            self._real.pop(symbol, None)
            self._floor.unwant(book_channel(symbol))

    def of(self, symbol: str) -> Book | None:
        """Return a symbol's best prices."""
        if symbol in self._real:
            return self._real[symbol]
        quote = self._floor.market.quotes.last(symbol)
        return None if quote is None else _of_quote(quote)

    def add(self, publication: Publication) -> None:
        """Begin to tell a stream."""
        symbol = publication.stream.symbol
        self.want(symbol)
        if symbol not in self._streams:
            self._floor.market.quotes.watch(symbol, self._watcher)
        self._streams.setdefault(symbol, {})[publication.stream.name] = publication

    def remove(self, publication: Publication) -> None:
        """Tell it no more."""
        symbol = publication.stream.symbol
        del self._streams[symbol][publication.stream.name]
        if not self._streams[symbol]:
            del self._streams[symbol]
            self._told.pop(symbol, None)
            self._floor.market.quotes.unwatch(symbol, self._watcher)
        self.unwant(symbol)

    def on_book(self, symbol: str, data: bytes) -> None:
        """Take the venue's own best prices. Raises MsgspecError, ValueError for nonsense."""
        if symbol in self._users:
            self._real[symbol] = _of_top(data)
            self._tell(symbol, self._real[symbol])

    def on_quote(self, symbol: str, data: bytes) -> None:
        """Take a quote, for a symbol whose best prices are not heard. Raises the same."""
        if symbol not in self._real:
            self._tell(symbol, _of_quote(data))

    def connected(self) -> None:
        """Read the present best prices."""
        if self._users:
            self._floor.start(self._read(list(self._users)))

    def second(self, beat: int) -> None:
        """Do nothing: best prices are told when they change."""

    def _tell(self, symbol: str, book: Book) -> None:
        told = self._told.get(symbol)
        if symbol not in self._streams or (told is not None and _prices(told) == _prices(book)):
            return
        self._told[symbol] = book
        for publication in self._streams[symbol].values():
            publication.latest(lambda _: write_book(symbol, book))

    async def _read(self, symbols: list[str]) -> None:
        try:
            found = await self._floor.bus.last_books(symbols)
        except StoreUnavailableError:
            return
        for data in found:
            try:
                symbol, book = _decode_top(data).symbol, _of_top(data)
            except (msgspec.MsgspecError, ValueError) as error:
                log.warning("hub.bad_book", error=str(error))
                continue
            known = self._real.get(symbol)
            if symbol in self._users and (known is None or known.update < book.update):
                self._real[symbol] = book
                self._tell(symbol, book)


def _prices(book: Book) -> tuple[Decimal, ...]:
    return book.bid, book.bid_size, book.ask, book.ask_size


def _of_top(data: bytes) -> Book:
    top = _decode_top(data)
    return Book(top.update, *map(_number, (top.bid, top.bid_size, top.ask, top.ask_size)))


def _of_quote(data: bytes) -> Book:
    quote = _decode_quote(data)
    zero = Decimal(0)
    return Book(quote.timestamp, _number(quote.bid_price), zero, _number(quote.ask_price), zero)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return number


_decode_top = msgspec.json.Decoder(BookTop).decode
_decode_quote = msgspec.json.Decoder(QuoteMessage).decode
