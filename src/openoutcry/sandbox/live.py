"""The made-up market's streams: each trade goes out when its time has come."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from openoutcry.core.intervals import DAY, INTERVALS, SECOND
from openoutcry.sandbox.encode import AggregateRow, Row, TradeWriter
from openoutcry.sandbox.faults import Faults
from openoutcry.sandbox.floor import Floor
from openoutcry.sandbox.market import MadeUpMarket, make_book
from openoutcry.sandbox.tape import BLOCK, Trades
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server import Stream
from openoutcry.venues.binance_server_data import Bar, Book, Print, Span

_LONGEST_STALL: Final = 30
"""Blocks. After a longer stall (a laptop asleep) the streams go on with the present."""


_MOST_CLOSED: Final = 100
"""Candles that a stream closes at one go after a stall; after a longer one it starts anew."""


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
            name: TradeWriter(tape.symbol.listing) for name, tape in market.tapes.items()
        }
        self._buckets: dict[str, int] = {}
        self._seen: dict[str, int] = {}
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
            groups = self._faults.messages(name, symbol, _aggregate_rows(trades), now)
            if groups:
                self._floor.publish(name, lambda micro: writer.aggregates(groups, now, micro=micro))
        name = f"{lower}@bookTicker"
        if len(trades) and self._floor.heard(name):
            book = make_book(self._market.tapes[symbol], trades)
            payload = msgspec.json.encode(shapes.book_event(symbol, book))
            self._floor.publish(name, lambda _: [payload])

    async def second(self, now: int) -> None:
        """Publish what comes once a second: candles and tickers."""
        streams = self._floor.streams()
        names = {stream.name for stream in streams}
        self._buckets = {name: at for name, at in self._buckets.items() if name in names}
        for stream in streams:
            if stream.symbol and stream.symbol not in self._market.tapes:
                continue
            if self._faults.silent(stream.symbol, now):
                continue
            if stream.kind == "kline":
                await self._kline(stream, now)
            elif stream.kind in {"miniTicker", "ticker"}:
                await self._ticker(stream, now)
            elif stream.kind == "miniTickers":
                await self._mini_tickers(stream, now)
        self._floor.flush()

    async def _kline(self, stream: Stream, now: int) -> None:
        interval, before = INTERVALS[stream.interval], self._buckets.get(stream.name)
        if before is not None and now - before > _MOST_CLOSED * interval.length:
            before = None
        span = Span(limit=1) if before is None else Span(limit=_MOST_CLOSED + 1, start=before)
        bars = await self._market.bars(stream.symbol, interval, span)
        if not bars:
            return
        current = bars[-1]
        self._buckets[stream.name] = current.start
        for bar in bars[:-1]:
            self._send_kline(stream, bar, now, closed=True)
        if stream.interval == "1s" or now // SECOND % 2 == 0 or before != current.start:
            self._send_kline(stream, current, now, closed=False)

    def _send_kline(self, stream: Stream, bar: Bar, now: int, *, closed: bool) -> None:
        self._send(
            stream,
            lambda micro: shapes.kline_event(
                stream.symbol, stream.interval, bar, now, closed=closed, micro=micro
            ),
        )

    async def _ticker(self, stream: Stream, now: int) -> None:
        symbol = stream.symbol
        found = await self._latest(symbol, now)
        if found is None or not self._changed(stream, symbol, found[1]):
            return
        bar, last, book = found
        if stream.kind == "miniTicker":
            self._send(
                stream, lambda micro: shapes.mini_ticker_event(symbol, bar, now, micro=micro)
            )
        else:
            self._send(
                stream, lambda micro: shapes.ticker_event(symbol, bar, last, book, now, micro=micro)
            )

    async def _mini_tickers(self, stream: Stream, now: int) -> None:
        changed: list[tuple[str, Bar]] = []
        for symbol in self._market.tapes:
            found = await self._latest(symbol, now)
            if found is not None and self._changed(stream, symbol, found[1]):
                changed.append((symbol, found[0]))
        if changed:
            self._send(
                stream,
                lambda micro: [
                    shapes.mini_ticker_event(symbol, bar, now, micro=micro)
                    for symbol, bar in changed
                ],
            )

    async def _latest(self, symbol: str, now: int) -> tuple[Bar, Print, Book] | None:
        bar = await self._market.window(symbol, now - DAY, now + 1)
        book = await self._market.book(symbol)
        last = await self._market.trades(symbol, None, 1)
        return (bar, last[-1], book) if bar and book and last else None

    def _changed(self, stream: Stream, symbol: str, last: Print) -> bool:
        key = f"{stream.name}/{symbol}"
        changed = self._seen.get(key) != last.id
        self._seen[key] = last.id
        return changed

    def _send(self, stream: Stream, shape: Any) -> None:
        self._floor.publish(stream.name, lambda micro: [msgspec.json.encode(shape(micro))])


def _aggregate_rows(trades: Trades) -> list[AggregateRow]:
    """Return the aggregates of trades; none is ever cut by a tick, as its trades share a time."""
    rows: list[AggregateRow] = []
    for number, time, price, size, aggregate, bought in trades.tolist():
        if rows and rows[-1][0] == aggregate:
            head = rows[-1]
            rows[-1] = (*head[:3], head[3] + size, head[4], number, bought)
        else:
            rows.append((aggregate, time, price, size, number, number, bought))
    return rows
