"""The best bid and ask of each symbol: the venue's where it is heard, else the quoted ones."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.core.keys import LAST_BOOKS, LAST_QUOTES
from openoutcry.core.quotes import QuoteMessage
from openoutcry.core.tickers import BookTop
from openoutcry.errors import StoreUnavailableError
from openoutcry.venues.binance_server_data import Book

_KEPT_SECONDS: Final = 0.1
_ZERO: Final = Decimal(0)


_TOP: Final = msgspec.json.Decoder(BookTop)
_QUOTE: Final = msgspec.json.Decoder(QuoteMessage)


class BookReader:
    """Reads the last books and quotes from Valkey, at most ten times a second."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._read_at = float("-inf")
        self._books: dict[bytes, bytes] = {}
        self._quotes: dict[bytes, bytes] = {}

    async def of(self, symbols: Iterable[str]) -> dict[str, Book]:
        """Return the books of those symbols that have one; a quote's has sizes of 0.

        Raises StoreUnavailableError when Valkey cannot be asked.
        """
        if time.monotonic() - self._read_at > _KEPT_SECONDS:
            await self._read()
        found = ((symbol, self._book(symbol.encode())) for symbol in symbols)
        return {symbol: book for symbol, book in found if book}

    async def _read(self) -> None:
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.hgetall(LAST_BOOKS)
        pipeline.hgetall(LAST_QUOTES)
        try:
            self._books, self._quotes = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"Valkey: {error}") from error
        self._read_at = time.monotonic()

    def _book(self, symbol: bytes) -> Book | None:
        try:
            if text := self._books.get(symbol):
                top = _TOP.decode(text)
                numbers = (top.bid, top.bid_size, top.ask, top.ask_size)
                return Book(top.update, *map(Decimal, numbers))
            if text := self._quotes.get(symbol):
                quote = _QUOTE.decode(text)
                bid, ask = Decimal(quote.bid_price), Decimal(quote.ask_price)
                return Book(quote.timestamp, bid, _ZERO, ask, _ZERO)
        except (msgspec.MsgspecError, ArithmeticError):
            return None
        return None
