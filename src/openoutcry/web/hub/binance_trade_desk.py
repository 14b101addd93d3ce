"""`@trade` and `@aggTrade` from committed trades: ascending, each once, none lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

import structlog

from openoutcry.core.intervals import MINUTE
from openoutcry.core.keys import trades_channel
from openoutcry.errors import StoreUnavailableError
from openoutcry.venues.binance_aggregates import AggregateRow, Aggregator
from openoutcry.venues.binance_stream_writer import TradeWriter
from openoutcry.web.hub.binance_desk import Floor, idle
from openoutcry.web.hub.binance_topics import Publication
from openoutcry.web.hub.binance_trades import Batch, TradeLine, batch_of_trades

ASK_SECONDS: Final = 3.0
"""How long trades wait for the store to say what was missed before them."""
HOLD_SECONDS: Final = 0.05
"""How long the newest aggregate waits for more of it."""
AROUND: Final = MINUTE
"""How far (µs) beyond its neighbours' times a missed trade is looked for."""

log = structlog.get_logger(__name__)


class _Symbol:
    """One symbol's streams and how far they have come."""

    def __init__(self) -> None:
        self.line = TradeLine()
        self.streams: dict[str, Publication] = {}
        self.asking: asyncio.Task[None] | None = None
        self.aggregator = Aggregator()
        self.scales = (0, 0)
        self.timer: asyncio.TimerHandle | None = None

    def of_kind(self, kind: str) -> list[Publication]:
        """Return the open streams of a kind."""
        return [each for each in self.streams.values() if each.stream.kind == kind]


class TradeDesk:
    """Tells trades. `take` gets every committed batch of a wanted symbol."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._symbols: dict[str, _Symbol] = {}

    def add(self, publication: Publication) -> None:
        """Begin to tell a stream."""
        symbol = publication.stream.symbol
        if symbol not in self._symbols:
            self._symbols[symbol] = _Symbol()
            self._floor.want(trades_channel(symbol))
            self._ask(symbol)
        self._symbols[symbol].streams[publication.stream.name] = publication

    def remove(self, publication: Publication) -> None:
        """Tell it no more; with its last stream a symbol is forgotten."""
        symbol = publication.stream.symbol
        state = self._symbols[symbol]
        del state.streams[publication.stream.name]
        if not state.of_kind("aggTrade"):
            state.aggregator.flush()
        if not state.streams:
            del self._symbols[symbol]
            self._floor.unwant(trades_channel(symbol))
            if state.asking is not None:
                state.asking.cancel()
            if state.timer is not None:
                state.timer.cancel()

    def take(self, symbol: str, batch: Batch) -> None:
        """Take committed trades."""
        if state := self._symbols.get(symbol):
            self._tell(symbol, state, state.line.take(batch))
            self._again(symbol)

    def connected(self) -> None:
        """Ask for what was missed, also where no trade shows that anything was."""
        for symbol, state in self._symbols.items():
            if state.line.begun and idle(state.asking):
                state.asking = self._floor.start(self._look(symbol, state))

    def second(self, beat: int) -> None:  # noqa: ARG002  (every desk's)
        """Try again what could not be asked."""
        for symbol in self._symbols:
            self._ask(symbol)

    def _ask(self, symbol: str) -> None:
        state = self._symbols[symbol]
        if idle(state.asking) and (not state.line.begun or state.line.hole):
            work = self._fill if state.line.begun else self._begin
            state.asking = self._floor.start(work(symbol, state))

    async def _begin(self, symbol: str, state: _Symbol) -> None:
        """Find out where the symbol stands; while the store is away there are no trades anyway."""
        floor = self._floor
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await floor.bus.heard(trades_channel(symbol))
                last = (await floor.store.newest([symbol])).get(symbol)
        except (StoreUnavailableError, TimeoutError):
            return
        at = (last.id, last.time) if last else (-1, 0)
        self._tell(symbol, state, state.line.begin(*at))
        self._later(symbol, state)

    async def _fill(self, symbol: str, state: _Symbol) -> None:
        hole, found = state.line.hole, None
        if hole is None:
            return
        try:
            async with asyncio.timeout(ASK_SECONDS):
                trades = await self._floor.store.trades_between(
                    symbol, hole.first, hole.last, hole.since - AROUND, hole.until + AROUND
                )
            found = batch_of_trades(trades)
        except (StoreUnavailableError, TimeoutError) as error:
            log.warning("hub.missed_trades", symbol=symbol, hole=hole, error=str(error))
        self._tell(symbol, state, state.line.fill(found))
        self._later(symbol, state)

    async def _look(self, symbol: str, state: _Symbol) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                last = (await self._floor.store.newest([symbol])).get(symbol)
        except (StoreUnavailableError, TimeoutError):
            return
        if last is not None:
            state.line.expect(last.id, last.time)
        self._later(symbol, state)

    def _later(self, symbol: str, state: _Symbol) -> None:
        """Ask for the next hole when the present question, whose end this is, is over."""
        if state.line.hole is not None:
            asyncio.get_running_loop().call_soon(self._again, symbol)

    def _again(self, symbol: str) -> None:
        if symbol in self._symbols:
            self._ask(symbol)

    def _tell(self, symbol: str, state: _Symbol, batches: Iterable[Batch]) -> None:
        now = self._floor.now()
        for batch in batches:
            scales = batch.price_scale, batch.size_scale
            writer = TradeWriter(symbol, *scales)
            for publication in state.of_kind("trade"):
                publication.every(partial(_trades, writer, batch, now))
            if state.of_kind("aggTrade"):
                over = state.aggregator.flush() if scales != state.scales else []
                self._aggregates(symbol, state, over)
                state.scales = scales
                self._aggregates(symbol, state, state.aggregator.take(batch.rows))
                self._hold(symbol, state)

    def _hold(self, symbol: str, state: _Symbol) -> None:
        if state.timer is not None:
            state.timer.cancel()
        loop = asyncio.get_running_loop()
        state.timer = loop.call_later(HOLD_SECONDS, self._let_go, symbol, state)

    def _let_go(self, symbol: str, state: _Symbol) -> None:
        self._aggregates(symbol, state, state.aggregator.flush())

    def _aggregates(self, symbol: str, state: _Symbol, rows: list[AggregateRow]) -> None:
        now = self._floor.now()
        writer = TradeWriter(symbol, *state.scales)
        for publication in state.of_kind("aggTrade") if rows else ():
            publication.every(lambda micro: writer.aggregates(rows, now, micro=micro))


def _trades(writer: TradeWriter, batch: Batch, now: int, micro: bool) -> list[bytes]:
    return writer.trades(batch.rows, now, micro=micro)
