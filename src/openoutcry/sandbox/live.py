"""The made-up market's streams: each trade goes out when its time has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from openoutcry.sandbox.faults import Faults
from openoutcry.sandbox.floor import Floor
from openoutcry.sandbox.market import MadeUpMarket, make_book
from openoutcry.sandbox.tape import BLOCK, Trades
from openoutcry.sandbox.timed import TimedStreams
from openoutcry.venues.binance_aggregates import Row, gather
from openoutcry.venues.binance_server_data import Listing
from openoutcry.venues.binance_stream_events import write_book
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

    def __init__(
        self,
        market: MadeUpMarket,
        floor: Floor,
        faults: Faults,
        start: int,
        on_trades: Callable[[Listing, Trades], None] | None = None,
    ) -> None:
        self._market = market
        self._on_trades = on_trades
        self._floor = floor
        self._faults = faults
        self._cursors = {name: _Cursor(start // BLOCK) for name in market.tapes}
        self._writers = {
            name: TradeWriter(name, tape.symbol.price_scale, tape.symbol.size_scale)
            for name, tape in market.tapes.items()
        }
        self._timed = TimedStreams(market, list(market.tapes), floor, faults)
        for name, cursor in self._cursors.items():
            times = market.tapes[name].block(cursor.block)["time"]
            cursor.row = int((times <= start).sum())

    def tick(self, now: int) -> None:
        """Queue and write every trade up to `now` (µs) that has not gone out."""
        for symbol, cursor in self._cursors.items():
            for trades in self._new(symbol, cursor, now):
                if self._on_trades is not None and len(trades):
                    self._on_trades(self._market.tapes[symbol].symbol.listing, trades)
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
        await self._timed.second(now, now)
