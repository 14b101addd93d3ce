"""Binance Spot's tickers and best prices, the client's side: streams that are not trades.

Sans-IO: bytes in, values out. Facts: Binance's "WebSocket Streams" (All Market Mini Tickers, Individual
Symbol Book Ticker). On the raw path a book ticker has no event name, and the tickers come as an array.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from openoutcry.core.tickers import BookTop, Ticker, is_sensible
from openoutcry.venues.binance import LIMITS, PATH, STREAMS_PER_MESSAGE
from openoutcry.venues.interface import Control, ControlKind

EVERY_TICKER: Final = "!miniTicker@arr"
"""The stream of every symbol's ticker, changed ones only, once a second."""

_Unreadable = (msgspec.MsgspecError, UnicodeDecodeError)


class _MiniTicker(Struct, gc=False):
    """An element of `!miniTicker@arr`: event time, symbol, close, open, high, low, volumes."""

    E: int
    s: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741 - the venue's own name
    v: str
    q: str


class _Object(Struct, gc=False):
    """A book ticker (`u` is there), an answer (`id`), an error, or an event."""

    u: int | None = None
    s: str = ""
    b: str = ""
    B: str = ""
    a: str = ""
    A: str = ""
    e: str = ""
    id: int | str | None = None
    error: Raw = Raw(b"")


class SideEvents(Struct, frozen=True):
    """What messages say: tickers message by message, each symbol's newest book, the rest.

    `malformed` counts tickers and books whose numbers make no sense.
    """

    tickers: list[list[Ticker]]
    books: dict[str, BookTop]
    controls: list[Control]
    malformed: int


def side_streams(symbols: Sequence[str], *, tickers: bool, books: bool) -> list[str]:
    """Return the names of the streams that tell every ticker, and the books of `symbols`."""
    every = [EVERY_TICKER] if tickers else []
    return every + [f"{symbol.lower()}@bookTicker" for symbol in symbols if books]


class BinanceSideProtocol:
    """Speaks for one connection. Feed it whole text messages; it holds no clock and no socket."""

    limits = LIMITS

    def __init__(self) -> None:
        self._decode_array = msgspec.json.Decoder(list[_MiniTicker]).decode
        self._decode_object = msgspec.json.Decoder(_Object).decode
        self._next_id = 1

    def url(self, base: str) -> str:
        """Return the address to connect to, given the host `base`."""
        return base.rstrip("/") + PATH

    def subscribe(self, symbols: Sequence[str]) -> Iterator[bytes]:
        """Yield the messages that ask for the streams called `symbols` (see `side_streams`)."""
        for at in range(0, len(symbols), STREAMS_PER_MESSAGE):
            params = list(symbols[at : at + STREAMS_PER_MESSAGE])
            yield msgspec.json.encode(
                {"method": "SUBSCRIBE", "params": params, "id": self._next_id}
            )
            self._next_id += 1

    def receive(self, messages: Sequence[bytes], received: int) -> SideEvents:
        """Return what `messages` say; `received` is when they came (µs). Never raises."""
        tickers: list[list[Ticker]] = []
        books: dict[str, BookTop] = {}
        controls: list[Control] = []
        malformed = 0
        for message in messages:
            try:
                if message.startswith(b"["):
                    rows = [_ticker(row) for row in self._decode_array(message)]
                    good = [row for row in rows if is_sensible(row)]
                    malformed += len(rows) - len(good)
                    tickers.append(good)
                    continue
                found = self._decode_object(message)
            except _Unreadable as error:
                shown = message[:200].decode(errors="replace")
                controls.append(Control(ControlKind.MALFORMED, f"{error}: {shown}"))
                continue
            if found.u is None:
                controls.append(_control(found, message))
            elif not found.s or not found.b or not found.a:
                malformed += 1
            elif (known := books.get(found.s)) is None or found.u >= known.update:
                books[found.s] = BookTop(
                    found.s, found.u, found.b, found.B, found.a, found.A, received
                )
        return SideEvents(tickers, books, controls, malformed)


def _ticker(row: _MiniTicker) -> Ticker:
    time = row.E * 1000 if row.E < 100_000_000_000_000 else row.E
    return Ticker(row.s, row.c, row.o, row.h, row.l, row.v, row.q, time)


def _control(found: _Object, message: bytes) -> Control:
    shown = message[:200].decode(errors="replace")
    if found.e == "serverShutdown":
        return Control(ControlKind.SHUTDOWN, shown)
    if found.error:
        return Control(ControlKind.REFUSED, shown)
    if found.id is not None:
        return Control(ControlKind.SUBSCRIBED, str(found.id))
    return Control(ControlKind.MALFORMED, shown)
