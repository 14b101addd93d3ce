"""The made-up exchange as a data source: any trade, aggregate or bar, up to the present moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from openoutcry.core.intervals import INTERVALS, MINUTE, SECOND, Interval
from openoutcry.sandbox import bars
from openoutcry.sandbox.candles import Rows, fold, minutes, seconds
from openoutcry.sandbox.listing import make_symbols
from openoutcry.sandbox.noise import bits, make_key, take
from openoutcry.sandbox.state import State, add_skip, load_state, save_state, set_rate
from openoutcry.sandbox.tape import BLOCK, RateChange, Tape, Trades
from openoutcry.venues.binance_server_data import (
    Aggregate,
    Bar,
    Book,
    Listing,
    OneByOne,
    Print,
    Span,
)

_STEP = 4096
"""Most blocks looked through at one go."""


class MadeUpMarket(OneByOne):
    """Answers from tapes; see `MarketData` for what each method gives.

    `clock` returns µs since 1970. Whatever is later than that has not happened yet.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int,
        rate: float,
        clock: Callable[[], int],
        state_file: Path | None = None,
    ) -> None:
        self._clock = clock
        self._file = state_file
        self._symbols = make_symbols(symbols, seed)
        self.state: State = load_state(state_file, seed, clock())
        set_rate(self.state, self._symbols, rate, clock())
        save_state(state_file, self.state)
        self.rate = rate
        self._listings = {symbol.listing.symbol: symbol.listing for symbol in self._symbols}
        self.tapes = {
            symbol.listing.symbol: Tape(
                symbol,
                seed,
                self.state.listed,
                self.state.symbols[symbol.listing.symbol].schedule,
                self.state.symbols[symbol.listing.symbol].skips,
            )
            for symbol in self._symbols
        }
        self._seconds = {name: seconds(tape) for name, tape in self.tapes.items()}
        self._minutes = {name: minutes(tape) for name, tape in self.tapes.items()}

    def set_rate(self, rate: float) -> None:
        """Change the rate of all symbols together (trades a second) from about a second on."""
        set_rate(self.state, self._symbols, rate, self._clock())
        save_state(self._file, self.state)
        self.rate = rate
        for name, tape in self.tapes.items():
            change: RateChange = self.state.symbols[name].schedule[-1]
            tape.change_rate(change)

    def skip_ids(self, symbol: str, count: int) -> None:
        """Leave `count` ids out for good, from about a second on."""
        skip = add_skip(self.state, symbol, count, self._clock())
        save_state(self._file, self.state)
        self.tapes[symbol].add_skip(skip)

    def now(self) -> int:
        """Return the clock's time in µs."""
        return self._clock()

    @property
    def listings_now(self) -> Mapping[str, Listing]:
        """Every market by its symbol."""
        return self._listings

    async def listings(self) -> Mapping[str, Listing]:
        """Return every market by its symbol."""
        return self._listings

    async def trades(self, symbol: str, from_id: int | None, limit: int) -> list[Print]:
        """Return trades by id, or the newest."""
        tape = self.tapes[symbol]
        if from_id is None:
            found = await self._backward(tape, self.now() + 1, limit, "id")
        else:
            start = tape.block_of_id(from_id, self.now() // BLOCK)
            found = await self._forward(tape, start, limit, ("id", from_id))
        return bars.prints(
            found[:limit] if from_id is not None else found[-limit:], tape.symbol.listing
        )

    async def aggregates(self, symbol: str, from_id: int | None, span: Span) -> list[Aggregate]:
        """Return aggregates by id, by time, or the newest."""
        tape, limit = self.tapes[symbol], span.limit
        if from_id is not None:
            start = tape.block_of_aggregate(from_id, self.now() // BLOCK)
            found = await self._forward(tape, start, limit, ("aggregate", from_id))
        elif span.start is not None:
            start = max(span.start // BLOCK, tape.listed)
            found = await self._forward(tape, start, limit, ("time", span.start), span.end)
        else:
            end = self.now() + 1 if span.end is None else min(span.end, self.now()) + 1
            found = await self._backward(tape, end, limit, "aggregate")
            return bars.aggregates(found, tape.symbol.listing)[-limit:]
        return bars.aggregates(found, tape.symbol.listing)[:limit]

    async def bars(self, symbol: str, interval: Interval, span: Span) -> list[Bar]:
        """Return bars without holes; empty ones carry the last price on."""
        tape = self.tapes[symbol]
        now = self.now()
        listed = interval.floor(await self._first_time(tape))
        last = interval.floor(min(now, now if span.end is None else span.end))
        if span.start is None:
            first = interval.back(last, span.limit - 1)
        else:
            first = interval.floor(span.start)
            first = first if first == span.start else interval.next(first)
        first = max(first, listed)
        if span.start is not None:
            last = min(last, interval.back(first, -(span.limit - 1)))
        if last < first:
            return []
        rows = await self._rows(symbol, first, min(interval.next(last), now + 1), interval)
        before = self._price_before(tape, first)
        return bars.roll_up(rows, tape.symbol.listing, interval, (first, last), before)

    async def window(self, symbol: str, start: int, end: int) -> Bar | None:
        """Return one bar of any length."""
        tape = self.tapes[symbol]
        end = min(end, self.now() + 1)
        begin = max(start, tape.listed * BLOCK)
        rows = await self._rows(symbol, begin, end, INTERVALS["1m"])
        before = self._price_before(tape, begin)
        return bars.one_bar(rows, tape.symbol.listing, start, end, before)

    async def book(self, symbol: str) -> Book | None:
        """Return a bid and an ask one tick around the last trade."""
        tape = self.tapes[symbol]
        last = await self._backward(tape, self.now() + 1, 1, "id")
        return make_book(tape, last) if len(last) else None

    # --- looking things up -------------------------------------------------------------------

    async def _forward(
        self, tape: Tape, block: int, limit: int, at_least: tuple[str, int], end: int | None = None
    ) -> Trades:
        """Return trades from `block` on where a column is big enough, until `limit` rows."""
        column, least = at_least
        present = self.now() if end is None else min(end, self.now())
        parts: list[Trades] = []
        found, step = 0, 1
        while block <= present // BLOCK and found <= limit:
            upto = min(block + step, present // BLOCK + 1)
            part = tape.make(block, upto)
            part = part[(part["time"] <= present) & (part[column] >= least)]
            parts.append(part)
            found += len(part) if column == "id" else len(np.unique(part["aggregate"]))
            block, step = upto, _next_step(step, len(part))
            await asyncio.sleep(0)
        return _joined(parts, tape)

    async def _backward(self, tape: Tape, end: int, limit: int, column: str) -> Trades:
        """Return at least the last `limit` trades (or aggregates) from before `end` (µs)."""
        parts: list[Trades] = []
        upto, found, step = (end - 1) // BLOCK + 1, 0, 1
        while upto > tape.listed and found < limit:
            block = max(tape.listed, upto - step)
            part = tape.block(block) if step == 1 else tape.make(block, upto)
            part = part[part["time"] < end]
            parts.insert(0, part)
            found += len(np.unique(part[column]))
            upto, step = block, _next_step(step, len(part))
            if step > 1:
                await asyncio.sleep(0)
        return _joined(parts, tape)

    async def _rows(self, symbol: str, start: int, end: int, interval: Interval) -> Rows:
        pieces = []
        finest = interval.length < MINUTE
        for piece in self._pieces(symbol, start, end, finest=finest):
            if piece is None:
                await asyncio.sleep(0)
            else:
                pieces.append(piece)
        return np.concatenate(pieces) if pieces else fold(self.tapes[symbol].make(0, 1), SECOND)

    def _pieces(self, symbol: str, start: int, end: int, *, finest: bool) -> Iterator[Rows | None]:
        """Yield rows that together hold start..end: whole minutes, seconds around, bits around."""
        low, high = -(-start // MINUTE) * MINUTE, end // MINUTE * MINUTE
        if finest or low >= high:
            yield from self._fine(symbol, start, end)
            return
        yield from self._fine(symbol, start, low)
        yield from self._minutes[symbol].rows(low, high)
        yield from self._fine(symbol, high, end)

    def _fine(self, symbol: str, start: int, end: int) -> Iterator[Rows | None]:
        low, high = -(-start // SECOND) * SECOND, end // SECOND * SECOND
        if low > high:  # within one second
            yield self._part(symbol, start, end)
            return
        yield self._part(symbol, start, low)
        if low < high:
            yield from self._seconds[symbol].rows(low, high)
        yield self._part(symbol, high, end)

    def _part(self, symbol: str, start: int, end: int) -> Rows:
        if end <= start:
            return fold(self.tapes[symbol].make(0, 1), SECOND)
        trades = self.tapes[symbol].block(start // BLOCK)
        return fold(trades[(trades["time"] >= start) & (trades["time"] < end)], SECOND)

    async def _first_time(self, tape: Tape) -> int:
        step = 1
        while step < 1 << 20:
            trades = tape.make(tape.listed, tape.listed + step)
            if len(trades):
                return int(trades["time"][0])
            step *= 4
        return tape.listed * BLOCK

    def _price_before(self, tape: Tape, time: int) -> int | None:
        """Return the price (ticks) of the last trade before `time` (µs)."""
        upto, step = time // BLOCK + 1, 1
        while upto > tape.listed:
            block = max(tape.listed, upto - step)
            trades = tape.make(block, upto)
            trades = trades[trades["time"] < time]
            if len(trades):
                return int(trades["price"][-1])
            upto, step = block, min(step * 4, _STEP)
        return None


def make_book(tape: Tape, trades: Trades) -> Book:
    """Return the book around the last of the trades: it traded at its own side's price."""
    last = trades[-1]
    listing = tape.symbol.listing
    ask = int(last["price"]) + (0 if last["bought"] else 1)
    drawn = bits(make_key(listing.symbol, "book"), np.array([int(last["id"])]))
    sizes = [int(take(drawn, shift, 10)[0]) + 1 for shift in (0, 20)]
    unit = max(1, int(40 / (tape.symbol.price * listing.step)))
    return Book(
        update=int(last["id"]),
        bid=max(ask - 1, 1) * listing.tick,
        bid_size=sizes[0] * unit * listing.step,
        ask=max(ask, 2) * listing.tick,
        ask_size=sizes[1] * unit * listing.step,
    )


def _next_step(step: int, found: int) -> int:
    return step if found > 20_000 else min(step * 4, _STEP)


def _joined(parts: list[Trades], tape: Tape) -> Trades:
    return np.concatenate(parts) if parts else tape.make(0, 1)
