"""The streams that speak once a second: candles and tickers of a market, made up or recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from openoutcry.core.intervals import DAY, INTERVALS, SECOND
from openoutcry.sandbox.faults import Faults
from openoutcry.sandbox.floor import Floor
from openoutcry.sandbox.market import MadeUpMarket
from openoutcry.sandbox.recording import Recording
from openoutcry.venues.binance_server import Stream
from openoutcry.venues.binance_server_data import Span
from openoutcry.venues.binance_stream_events import (
    MOST_CLOSED,
    KlineLine,
    Ticker,
    TickerLine,
    write_kline,
    write_tickers,
)


class TimedStreams:
    """Publishes on a floor. Streams named in `recorded` are left to whoever plays them."""

    def __init__(
        self,
        market: MadeUpMarket | Recording,
        symbols: Collection[str],
        floor: Floor,
        faults: Faults,
        recorded: Collection[str] = (),
    ) -> None:
        self._market = market
        self._symbols = symbols
        self._floor = floor
        self._faults = faults
        self._recorded = recorded
        self._klines: dict[str, KlineLine] = {}
        self._tickers: dict[str, TickerLine] = {}

    async def second(self, clock: int, now: int) -> None:
        """Publish what is due at `clock` (µs), when the market's own time is `now`."""
        streams = [one for one in self._floor.streams() if one.name not in self._recorded]
        names = {stream.name for stream in streams}
        self._klines = {name: line for name, line in self._klines.items() if name in names}
        self._tickers = {name: line for name, line in self._tickers.items() if name in names}
        for stream in streams:
            if stream.symbol and stream.symbol not in self._symbols:
                continue
            if self._faults.silent(stream.symbol, clock):
                continue
            if stream.kind == "kline":
                await self._kline(stream, clock // SECOND, now)
            elif stream.kind in {"miniTicker", "ticker"}:
                await self._ticker(stream, [stream.symbol], now)
            elif stream.kind == "miniTickers":
                await self._ticker(stream, self._symbols, now)
        self._floor.flush()

    async def _kline(self, stream: Stream, beat: int, now: int) -> None:
        interval = INTERVALS[stream.interval]
        line = self._klines.get(stream.name)
        if line is None or line.open is None or now - line.open > MOST_CLOSED * interval.length:
            line = self._klines[stream.name] = KlineLine(interval)
        span = Span(limit=1) if line.open is None else Span(MOST_CLOSED + 1, start=line.open)
        bars = await self._market.bars(stream.symbol, interval, span)
        states = [(bar, bar is not bars[-1]) for bar in bars]
        for state in line.due(states, beat):
            self._send(stream, partial(write_kline, stream, state, now))

    async def _ticker(self, stream: Stream, symbols: Collection[str], now: int) -> None:
        line = self._tickers.setdefault(stream.name, TickerLine())
        found = [await self._latest(symbol, now) for symbol in symbols]
        if due := line.due([one for one in found if one is not None]):
            self._send(stream, partial(write_tickers, stream, due, now))

    async def _latest(self, symbol: str, now: int) -> Ticker | None:
        bar = await self._market.window(symbol, now - DAY, now + 1)
        book = await self._market.book(symbol)
        last = await self._market.trades(symbol, None, 1)
        return Ticker(symbol, bar, last[-1], book) if bar and book and last else None

    def _send(self, stream: Stream, write: Callable[..., bytes]) -> None:
        self._floor.publish(stream.name, lambda micro: [write(micro=micro)])
