"""What a Binance-compatible server needs to know of its market: values and the data source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from openoutcry.core.intervals import Interval


class Listing(Struct, frozen=True):
    """A market as `exchangeInfo` lists it; `tick` and `step` are the grids of prices and sizes."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal


class Print(Struct, frozen=True):
    """One trade. `time` in µs; `bought` says that the taker bought."""

    id: int
    price: Decimal
    size: Decimal
    time: int
    bought: bool


class Aggregate(Struct, frozen=True):
    """The trades `first`..`last` (ids, inclusive) that one order made at one price."""

    id: int
    price: Decimal
    size: Decimal
    first: int
    last: int
    time: int
    bought: bool


class Bar(Struct, frozen=True):
    """Everything that traded from `start` to before `end` (µs).

    Without a trade `trades` is 0, the ids are -1 and the four prices are the last one before.
    `before` is the last price before `start`, where it was looked up.
    """

    start: int
    end: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    bought_volume: Decimal
    bought_quote_volume: Decimal
    first_id: int
    last_id: int
    before: Decimal | None = None


class Book(Struct, frozen=True):
    """The best bid and ask; `update` grows with every change."""

    update: int
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


class Span(Struct, frozen=True):
    """Which rows are wanted: times in µs, both inclusive.

    `start` alone: the oldest `limit` rows from it; `end` alone: the newest up to it; both: like
    `start` alone, but not past `end`; neither: the newest.
    """

    limit: int
    start: int | None = None
    end: int | None = None


class Ready(Struct):
    """An answer whose bytes are made. `tag` and `packed` (gzip) are added by whoever needs them."""

    body: bytes
    tag: str = ""
    packed: bytes = b""


class MarketData(Protocol):
    """Where the answers come from. Symbols are upper case and listed, rows come oldest first."""

    def now(self) -> int:
        """Return the market's own time in µs; nothing later than it is ever answered."""
        ...

    async def listings(self) -> Mapping[str, Listing]:
        """Return every market by its symbol."""
        ...

    async def trades(self, symbol: str, from_id: int | None, limit: int) -> Sequence[Print]:
        """Return the trades with ids from `from_id` on, or the newest ones; at most `limit`."""
        ...

    async def aggregates(self, symbol: str, from_id: int | None, span: Span) -> Sequence[Aggregate]:
        """Return aggregates from the id `from_id` on (of the span, only its limit), or by time."""
        ...

    async def bars(self, symbol: str, interval: Interval, span: Span) -> Sequence[Bar]:
        """Return the bars that start within `span`, without a hole from the first trade to now."""
        ...

    async def klines(
        self, symbol: str, interval: Interval, span: Span, *, micro: bool
    ) -> Ready | None:
        """Return `bars` as the answer of `/klines` if it is at hand as bytes, else None."""
        ...

    async def newest(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        """Return the newest trade of each symbol that ever had one."""
        ...

    async def windows(self, symbols: Sequence[str], start: int, end: int) -> Mapping[str, Bar]:
        """Return by symbol the bar of all trades from `start` to before `end`, with `before`.

        A symbol that never had a trade is left out.
        """
        ...

    async def books(self, symbols: Sequence[str]) -> Mapping[str, Book]:
        """Return the best bid and ask of each symbol that ever had a trade."""
        ...


class OneByOne(ABC):
    """The questions about many symbols, answered for one after the other."""

    @abstractmethod
    async def trades(self, symbol: str, from_id: int | None, limit: int) -> Sequence[Print]:
        """Return trades, as in `MarketData`."""

    @abstractmethod
    async def window(self, symbol: str, start: int, end: int) -> Bar | None:
        """Return the bar of all trades from `start` to before `end`; None if none was ever made."""

    @abstractmethod
    async def book(self, symbol: str) -> Book | None:
        """Return the best bid and ask; None if there never was a trade."""

    async def klines(
        self, symbol: str, interval: Interval, span: Span, *, micro: bool
    ) -> Ready | None:
        """Return None: nothing is kept ready."""
        del symbol, interval, span, micro
        return None

    async def newest(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        """Return the newest trade of each symbol that ever had one."""
        found = {symbol: await self.trades(symbol, None, 1) for symbol in symbols}
        return {symbol: trades[-1] for symbol, trades in found.items() if trades}

    async def windows(self, symbols: Sequence[str], start: int, end: int) -> Mapping[str, Bar]:
        """Return by symbol the bar of all trades from `start` to before `end`."""
        found = {symbol: await self.window(symbol, start, end) for symbol in symbols}
        return {symbol: bar for symbol, bar in found.items() if bar}

    async def books(self, symbols: Sequence[str]) -> Mapping[str, Book]:
        """Return the best bid and ask of each symbol that ever had a trade."""
        found = {symbol: await self.book(symbol) for symbol in symbols}
        return {symbol: book for symbol, book in found.items() if book}
