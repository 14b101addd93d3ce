"""A recording of Binance's streams: its messages as they were, its trades as a data source."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from openoutcry.core.intervals import SECOND, Interval
from openoutcry.core.symbols import split_symbol
from openoutcry.errors import ConfigError
from openoutcry.sandbox import bars
from openoutcry.sandbox.candles import fold
from openoutcry.sandbox.listing import decimals
from openoutcry.sandbox.noise import Ints
from openoutcry.sandbox.tape import TRADES, Trades
from openoutcry.venues.binance_server_data import (
    Aggregate,
    Bar,
    Book,
    Listing,
    OneByOne,
    Print,
    Span,
)
from openoutcry.venues.binance_stream_writer import frame

_EVENT_TIME: Final = re.compile(rb'"E":\s*(\d+)')
_KINDS: Final = {"trade", "aggTrade"}


class _Line(Struct):
    t: Raw
    m: Raw
    k: str = "recv"


class _Combined(Struct):
    stream: str
    data: Raw


class _Print(Struct):
    """What `@trade` and `@aggTrade` have in common; `t` or `a` is the id."""

    s: str
    p: str
    q: str
    T: int
    m: bool
    t: int = -1
    a: int = -1
    f: int = -1
    l: int = -1  # noqa: E741 - the exchange's own name


class _Best(Struct):
    """The best prices as `@bookTicker` tells them."""

    u: int
    b: str
    B: str
    a: str
    A: str


class _Recorded(Struct):
    """A symbol's prints as columns; `message` is the index of the message each came in."""

    listing: Listing
    trades: Trades
    message: Ints
    spans: list[tuple[int, int]]


class Messages(Struct):
    """Every recorded message, in order: when it came (µs), on which stream, its bytes."""

    received: Ints
    stream: NDArray[np.int32]
    names: list[str]
    wrapped: list[bytes]
    event: Ints

    def frames(self, *, combined: bool) -> list[bytes]:
        """Return each message as a WebSocket frame: as recorded, or only its `data`."""
        if combined:
            return [frame(message) for message in self.wrapped]
        return [frame(bytes(_data(message))) for message in self.wrapped]


def _data(message: bytes) -> Raw:
    return msgspec.json.decode(message, type=_Combined).data


def read(path: Path) -> Messages:
    """Return the messages of a JSONL file, gzipped or not.

    Lines are `{"t": ns or s, "m": {"stream","data"}}`, optionally with `"k": "recv"`; others (sent
    requests, snapshots) are left out. Raises ConfigError if nothing usable is in it.
    """
    received, streams, wrapped, event = [], [], [], []
    numbers: dict[str, int] = {}
    latest = 0
    decode_line = msgspec.json.Decoder(_Line).decode
    decode_message = msgspec.json.Decoder(_Combined).decode
    try:
        for text in _lines(path):
            line = decode_line(text)
            if line.k != "recv" or b'"stream"' not in bytes(line.m):
                continue
            message = bytes(line.m)
            stream = decode_message(message).stream
            received.append(_received(bytes(line.t)))
            streams.append(numbers.setdefault(stream, len(numbers)))
            wrapped.append(message)
            if match := _EVENT_TIME.search(message):
                latest = max(latest, _micro(int(match[1])))
            event.append(latest)
    except (OSError, EOFError, msgspec.DecodeError) as error:
        raise ConfigError(f"Recording {path} cannot be read: {error}.") from None
    if not wrapped:
        raise ConfigError(f"Recording {path} has no Binance stream messages.")
    return Messages(
        np.maximum.accumulate(np.array(received, dtype=np.int64)),
        np.array(streams, dtype=np.int32),
        list(numbers),
        wrapped,
        np.array(event, dtype=np.int64),
    )


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield from (line for line in file if not line.isspace())


def _received(text: bytes) -> int:
    number = Decimal(text.decode())
    return int(number / 1000) if number > 10**15 else int(number * SECOND)


def _micro(time: int) -> int:
    return time if time >= 10**15 else time * 1000


class Recording(OneByOne):
    """Answers from the trades in the first `position` messages: as far as the replay has come.

    The market's own time is the newest event time among those messages.
    """

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self.position = 0
        self._trades: dict[str, _Recorded] = {}
        self._aggregates: dict[str, _Recorded] = {}
        for number, name in enumerate(messages.names):
            kind = name.partition("@")[2]
            if kind in _KINDS:
                found = _columns(messages, number)
                kept = self._trades if kind == "trade" else self._aggregates
                kept[found.listing.symbol] = found
        every = self._aggregates | self._trades
        self._listings = {symbol: found.listing for symbol, found in sorted(every.items())}
        self._books = {
            symbol: np.flatnonzero(messages.stream == messages.names.index(name))
            for symbol in self._listings
            if (name := f"{symbol.lower()}@bookTicker") in messages.names
        }

    @property
    def symbols(self) -> list[str]:
        """The symbols that have trades."""
        return list(self._listings)

    def now(self) -> int:
        """Return the time of the recording in µs."""
        return int(self.messages.event[max(0, self.position - 1)])

    async def listings(self) -> Mapping[str, Listing]:
        """Return the symbols that have trades, with the ticks and steps that their numbers need."""
        return self._listings

    async def trades(self, symbol: str, from_id: int | None, limit: int) -> list[Print]:
        """Return recorded trades by id, or the newest."""
        if symbol not in self._trades:
            return []
        visible = self._visible(self._trades[symbol])
        newest = from_id is None
        wanted = visible[-limit:] if newest else visible[visible["id"] >= from_id][:limit]
        return bars.prints(wanted, self._listings[symbol])

    async def aggregates(self, symbol: str, from_id: int | None, span: Span) -> list[Aggregate]:
        """Return recorded aggregates, or such as the recorded trades form, numbered from 1."""
        if symbol in self._aggregates:
            recorded = self._aggregates[symbol]
            rows = self._visible(recorded)
            found = [
                Aggregate(row.id, row.price, row.size, *ends, row.time, row.bought)
                for row, ends in zip(
                    bars.prints(rows, recorded.listing), recorded.spans, strict=False
                )
            ]
        else:
            found = bars.aggregates(self._visible(self._trades[symbol]), self._listings[symbol])
        if from_id is not None:
            return [row for row in found if row.id >= from_id][: span.limit]
        low = 0 if span.start is None else span.start
        high = self.now() if span.end is None else span.end
        inside = [row for row in found if low <= row.time <= high]
        return inside[-span.limit :] if span.start is None else inside[: span.limit]

    async def bars(self, symbol: str, interval: Interval, span: Span) -> list[Bar]:
        """Return bars folded from the recorded trades."""
        trades = self._all(symbol)
        if not len(trades):
            return []
        first, last = interval.floor(int(trades["time"][0])), interval.floor(self.now())
        found = bars.roll_up(
            fold(trades, SECOND), self._listings[symbol], interval, (first, last), None
        )
        low = first if span.start is None else span.start
        high = last if span.end is None else span.end
        inside = [bar for bar in found if low <= bar.start <= high]
        return inside[-span.limit :] if span.start is None else inside[: span.limit]

    async def window(self, symbol: str, start: int, end: int) -> Bar | None:
        """Return one bar of the recorded trades from `start` to before `end`."""
        trades = self._all(symbol)
        before = trades[trades["time"] < start]
        inside = trades[(trades["time"] >= start) & (trades["time"] < end)]
        price = int(before["price"][-1]) if len(before) else None
        return bars.one_bar(fold(inside, SECOND), self._listings[symbol], start, end, price)

    async def book(self, symbol: str) -> Book | None:
        """Return the recorded best prices, else such as lie one tick around the last trade."""
        if symbol in self._books:
            told = self._books[symbol]
            upto = int(told.searchsorted(self.position))
            if upto:
                return _book(self.messages.wrapped[int(told[upto - 1])])
        last = bars.prints(self._all(symbol)[-1:], self._listings[symbol])
        if not last:
            return None
        ask = last[0].price + (0 if last[0].bought else self._listings[symbol].tick)
        bid = ask - self._listings[symbol].tick
        return Book(last[0].id, bid, last[0].size, ask, last[0].size)

    def last_ids(self) -> dict[str, int]:
        """Return the newest trade id of each symbol that the replay has come to."""
        visible = {name: self._visible(found) for name, found in self._trades.items()}
        return {name: int(trades["id"][-1]) for name, trades in visible.items() if len(trades)}

    def _visible(self, recorded: _Recorded) -> Trades:
        return recorded.trades[: int(recorded.message.searchsorted(self.position))]

    def _all(self, symbol: str) -> Trades:
        return self._visible(self._trades.get(symbol) or self._aggregates[symbol])


def _book(message: bytes) -> Book:
    best = msgspec.json.decode(_data(message), type=_Best)
    return Book(best.u, Decimal(best.b), Decimal(best.B), Decimal(best.a), Decimal(best.A))


def _columns(messages: Messages, number: int) -> _Recorded:
    index = np.flatnonzero(messages.stream == number)
    prints = [
        msgspec.convert(
            msgspec.json.decode(bytes(_data(messages.wrapped[at]))), _Print, strict=False
        )
        for at in index.tolist()
    ]
    symbol = prints[0].s
    prices, tick = _scaled(one.p for one in prints)
    sizes, step = _scaled(one.q for one in prints)
    trades = np.empty(len(prints), dtype=TRADES)
    trades["id"] = [max(one.t, one.a) for one in prints]
    trades["time"] = [_micro(one.T) for one in prints]
    trades["price"], trades["size"] = prices, sizes
    trades["bought"] = [not one.m for one in prints]
    columns = [trades[name] for name in ("time", "price", "bought")]
    changed = [np.diff(column.astype(np.int64), prepend=-1) != 0 for column in columns]
    trades["aggregate"] = np.cumsum(np.logical_or.reduce(changed))
    base, quote = split_symbol(symbol)
    spans = [(one.f, one.l) for one in prints]
    return _Recorded(Listing(symbol, base, quote, tick, step), trades, index, spans)


def _scaled(texts: Iterable[str]) -> tuple[list[int], Decimal]:
    """Return numbers as whole multiples of the finest decimal place they use, and that place."""
    numbers: list[Any] = [Decimal(text) for text in texts]
    places = max(decimals(number) for number in numbers)
    return [int(number.scaleb(places)) for number in numbers], Decimal(1).scaleb(-places)
