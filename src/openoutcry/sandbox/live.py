"""The made-up market's streams: each trade goes out when its time has come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from openoutcry.core.intervals import DAY, INTERVALS, SECOND
from openoutcry.sandbox.faults import Faults
from openoutcry.sandbox.floor import Floor
from openoutcry.sandbox.market import MadeUpMarket, make_book
from openoutcry.sandbox.tape import BLOCK, Trades
from openoutcry.venues.binance_aggregates import Row, gather
from openoutcry.venues.binance_server import Stream
from openoutcry.venues.binance_server_data import Span
from openoutcry.venues.binance_stream_events import (
    MOST_CLOSED,
    KlineLine,
    Ticker,
    TickerLine,
    write_book,
    write_kline,
    write_tickers,
)
from openoutcry.venues.binance_stream_writer import TradeWriter

_LONGEST_STALL: Final = 30
"""Blocks. After a longer stall (a laptop asleep) the streams go on with the present."""


class _Cursor:
    """How far a symbol's trades have gone out: the next is row `row` of block `block`."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.row = 0


class LiveFeed:
    """Publishes a made-up market on a floor, from the block of `start` (µs) on."""

    def __init__(self, market: MadeUpMarket, floor: Floor, faults: Faults, start: int) -> None:
        self._market = market
        self._floor = floor
        self._faults = faults
        self._cursors = {name: _Cursor(start // BLOCK) for name in market.tapes}
        self._writers = {
            name: TradeWriter(name, tape.symbol.price_scale, tape.symbol.size_scale)
            for name, tape in market.tapes.items()
        }
        self._klines: dict[str, KlineLine] = {}
        self._tickers: dict[str, TickerLine] = {}
        for name, cursor in self._cursors.items():
            times = market.tapes[name].block(cursor.block)["time"]
            cursor.row = int((times <= start).sum())

    def tick(self, now: int) -> None:
        """Queue and write every trade up to `now` (µs) that has not gone out."""
        for symbol, cursor in self._cursors.items():
            for trades in self._new(symbol, cursor, now):
                self._trades(symbol, trades, now)
        self._floor.flush()

    def _new(self, symbol: str, cursor: _Cursor, now: int) -> list[Trades]:
        tape = self._market.tapes[symbol]
        found = []
        if now // BLOCK - cursor.block > _LONGEST_STALL:
            cursor.block, cursor.row = now // BLOCK, 0
        while True:
            block = tape.block(cursor.block)
            # A clock that was set back must not send anything twice.
            row = max(cursor.row, int(block["time"].searchsorted(now, "right")))
            found.append(block[cursor.row : row])
            cursor.row = row
            if cursor.block >= now // BLOCK:
                return found
            cursor.block, cursor.row = cursor.block + 1, 0

    def _trades(self, symbol: str, trades: Trades, now: int) -> None:
        lower = symbol.lower()
        writer = self._writers[symbol]
        name = f"{lower}@trade"
        if self._faults.silent(symbol, now):
            return
        if self._floor.heard(name):
            rows: list[Row] = self._faults.messages(name, symbol, trades.tolist(), now)
            if rows:
                self._floor.publish(name, lambda micro: writer.trades(rows, now, micro=micro))
        name = f"{lower}@aggTrade"
        if self._floor.heard(name):
            groups = self._faults.messages(name, symbol, gather(trades.tolist()), now)
            if groups:
                self._floor.publish(name, lambda micro: writer.aggregates(groups, now, micro=micro))
        name = f"{lower}@bookTicker"
        if len(trades) and self._floor.heard(name):
            payload = write_book(symbol, make_book(self._market.tapes[symbol], trades))
            self._floor.publish(name, lambda _: [payload])

    async def second(self, now: int) -> None:
        """Publish what comes once a second: candles and tickers."""
        streams = self._floor.streams()
        names = {stream.name for stream in streams}
        self._klines = {name: line for name, line in self._klines.items() if name in names}
        self._tickers = {name: line for name, line in self._tickers.items() if name in names}
        for stream in streams:
            if stream.symbol and stream.symbol not in self._market.tapes:
                continue
            if self._faults.silent(stream.symbol, now):
                continue
            if stream.kind == "kline":
                await self._kline(stream, now)
            elif stream.kind in {"miniTicker", "ticker"}:
                await self._ticker(stream, [stream.symbol], now)
            elif stream.kind == "miniTickers":
                await self._ticker(stream, list(self._market.tapes), now)
        self._floor.flush()

    async def _kline(self, stream: Stream, now: int) -> None:
        interval = INTERVALS[stream.interval]
        line = self._klines.get(stream.name)
        if line is None or line.open is None or now - line.open > MOST_CLOSED * interval.length:
            line = self._klines[stream.name] = KlineLine(interval)
        span = Span(limit=1) if line.open is None else Span(MOST_CLOSED + 1, start=line.open)
        bars = await self._market.bars(stream.symbol, interval, span)
        states = [(bar, bar is not bars[-1]) for bar in bars]
        for state in line.due(states, now // SECOND):
            self._send(stream, partial(write_kline, stream, state, now))

    async def _ticker(self, stream: Stream, symbols: list[str], now: int) -> None:
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
