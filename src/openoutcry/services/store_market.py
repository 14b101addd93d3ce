"""Our own store as a market that a Binance-compatible server can answer from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import Pool, Source
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.adapters.postgres.window_reader import read_windows
from openoutcry.core.intervals import Interval
from openoutcry.model import Instrument
from openoutcry.services import store_trades
from openoutcry.services.books import BookReader
from openoutcry.services.candle_pages import PageReader
from openoutcry.services.market_time import MarketTime
from openoutcry.services.ready_pages import Page
from openoutcry.venues.binance_server_data import (
    Aggregate,
    Bar,
    Book,
    Listing,
    Print,
    Ready,
    Span,
)

T = TypeVar("T")

_Row = tuple[int, str, str, str, str, str, int, str, int, str, str, str]
_ROWS = msgspec.json.Decoder(list[_Row])


class StoreMarket:
    """Answers from what is recorded; see `MarketData` for what each method gives.

    Every method may raise StoreUnavailableError.
    """

    def __init__(
        self,
        pool: Pool,
        instruments: InstrumentReader,
        pages: PageReader,
        books: BookReader,
        time: MarketTime,
        *,
        history: Source | None = None,
    ) -> None:
        self._pool = pool
        self._instruments = instruments
        self._pages = pages
        self._books = books
        self._time = time
        self._trades = TradeReader(pool, history)
        self._read: list[Instrument] = []
        self._known: dict[str, Instrument] = {}
        self._listings: dict[str, Listing] = {}

    def now(self) -> int:
        """Return the market's time in µs."""
        return self._time.now()

    async def listings(self) -> Mapping[str, Listing]:
        """Return every instrument that the store knows; grids as fine as its scales."""
        await self._time.refresh(self._pool)
        instruments = await self._instruments.all()
        if instruments is not self._read:
            self._read = instruments
            self._known = {one.symbol: one for one in instruments}
            self._listings = {one.symbol: _listing(one) for one in instruments}
        return self._listings

    async def trades(self, symbol: str, from_id: int | None, limit: int) -> Sequence[Print]:
        """Return the stored trades with ids from `from_id` on, or the newest ones."""
        return await store_trades.page(self._trades, self._known[symbol].id, from_id, limit)

    async def aggregates(self, symbol: str, from_id: int | None, span: Span) -> Sequence[Aggregate]:
        """Return aggregates made of stored trades; an aggregate's id is its first trade's."""
        instrument = self._known[symbol].id
        return await store_trades.aggregates(self._trades, instrument, from_id, span, self.now())

    async def bars(self, symbol: str, interval: Interval, span: Span) -> Sequence[Bar]:
        """Return stored candles; flat ones only where it is known that nobody traded."""
        page = await self._page(symbol, interval, span)
        rows = zip(_ROWS.decode(_join(page)), page.first_ids, page.last_ids, strict=True)
        return [_bar(row, first, last) for row, first, last in rows]

    async def klines(
        self, symbol: str, interval: Interval, span: Span, *, micro: bool
    ) -> Ready | None:
        """Return `bars` as the rows of `/klines`; None for times in µs."""
        if micro:
            return None
        page = await self._page(symbol, interval, span)
        return self._pages.ready.get((symbol, interval.name), page, _join)

    async def newest(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        """Return the newest stored trade of each symbol."""
        found = await self._trades.newest([self._known[symbol].id for symbol in symbols])
        return self._by_symbol(symbols, found)

    async def windows(self, symbols: Sequence[str], start: int, end: int) -> Mapping[str, Bar]:
        """Return by symbol the bar of all stored trades from `start` to before `end`."""
        ids = [self._known[symbol].id for symbol in symbols]
        return self._by_symbol(symbols, await read_windows(self._pool, ids, start, end))

    async def books(self, symbols: Sequence[str]) -> Mapping[str, Book]:
        """Return the last bid and ask heard of each symbol."""
        return await self._books.of(symbols)

    async def _page(self, symbol: str, interval: Interval, span: Span) -> Page:
        instrument, times = self._known[symbol], (span.start, span.end)
        return await self._pages.klines(instrument, interval, times, span.limit, self.now())

    def _by_symbol(self, symbols: Sequence[str], found: Mapping[int, T]) -> dict[str, T]:
        ids = ((symbol, self._known[symbol].id) for symbol in symbols)
        return {symbol: found[number] for symbol, number in ids if number in found}


def _join(page: Page) -> bytes:
    return f"[{','.join(page.rows)}]".encode()


def _listing(instrument: Instrument) -> Listing:
    return Listing(
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        tick=Decimal(1).scaleb(-instrument.price_scale),
        step=Decimal(1).scaleb(-instrument.size_scale),
    )


def _bar(row: _Row, first_id: int, last_id: int) -> Bar:
    return Bar(
        start=row[0] * 1000,
        end=row[6] * 1000 + 1000,
        open=Decimal(row[1]),
        high=Decimal(row[2]),
        low=Decimal(row[3]),
        close=Decimal(row[4]),
        volume=Decimal(row[5]),
        quote_volume=Decimal(row[7]),
        trades=row[8],
        bought_volume=Decimal(row[9]),
        bought_quote_volume=Decimal(row[10]),
        first_id=first_id,
        last_id=last_id,
    )
