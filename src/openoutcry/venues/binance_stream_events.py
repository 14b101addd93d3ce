"""Binance's timed streams: which candles and tickers are due at a second, and their JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from openoutcry.core.intervals import Interval
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server import Stream
from openoutcry.venues.binance_server_data import Bar, Book, Print

MOST_CLOSED: Final = 100
"""Candles that a stream closes at one go after a stall; after a longer one it starts anew."""

BarState = tuple[Bar, bool]
"""A candle as it stands, and whether it is over."""


class KlineLine:
    """One kline stream: candles in the order of time, each told to be over exactly once.

    What changes is told every second for 1s, every other second for the rest.
    """

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self.open: int | None = None
        """Start of the first candle that was not told to be over; None before the first."""
        self._every = 1 if interval.name == "1s" else 2
        self._told: Bar | None = None

    def due(self, states: Iterable[BarState], beat: int) -> list[BarState]:
        """Return what is to be sent of the candles from `open` on, given oldest first.

        `beat` counts seconds. Candles that were over before the first call are not told.
        """
        known = list(states)
        if self.open is None and known:
            newest, over = known[-1]
            self.open = newest.end if over else newest.start
        told: list[BarState] = []
        for bar, over in known:
            if self.open is None or bar.start < self.open:
                continue
            if over:
                told.append((bar, True))
                self.open, self._told = bar.end, None
            elif self._is_news(bar, beat):
                told.append((bar, False))
                self._told = bar
        return told

    def _is_news(self, bar: Bar, beat: int) -> bool:
        if self._told is None or self._told.start != bar.start:
            return True
        return beat % self._every == 0 and bar != self._told


class Ticker(Struct, frozen=True):
    """One symbol's last 24 hours, its last trade and its best prices."""

    symbol: str
    bar: Bar
    last: Print
    book: Book


class TickerLine:
    """One stream of tickers: a symbol is told again when it has traded since."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def due(self, tickers: Iterable[Ticker]) -> list[Ticker]:
        """Return those that changed, and note that they are told."""
        changed = [one for one in tickers if self._told.get(one.symbol) != one.last.id]
        self._told |= {one.symbol: one.last.id for one in changed}
        return changed


def write_kline(stream: Stream, state: BarState, now: int, *, micro: bool) -> bytes:
    """Return a message of a kline stream."""
    bar, over = state
    return msgspec.json.encode(
        shapes.kline_event(stream.symbol, stream.interval, bar, now, closed=over, micro=micro)
    )


def write_tickers(stream: Stream, due: list[Ticker], now: int, *, micro: bool) -> bytes:
    """Return a message of a ticker stream: the one ticker, or the array of all that changed."""
    if stream.kind == "ticker":
        one = due[0]
        return msgspec.json.encode(
            shapes.ticker_event(one.symbol, one.bar, one.last, one.book, now, micro=micro)
        )
    minis = [shapes.mini_ticker_event(one.symbol, one.bar, now, micro=micro) for one in due]
    return msgspec.json.encode(minis if stream.kind == "miniTickers" else minis[0])


def write_book(symbol: str, book: Book) -> bytes:
    """Return a message of a bookTicker stream, which tells no time."""
    return msgspec.json.encode(shapes.book_event(symbol, book))
