"""What every venue's protocol offers the feed: one sans-IO object per connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class VenueLimits(Struct, frozen=True):
    """What the venue allows, and how long it lets a connection live."""

    streams_per_connection: int
    messages_per_second: int
    connections_per_window: int
    window_seconds: int
    lifetime_seconds: int


class TradeColumns(Struct, frozen=True):
    """Trades in the order they came. Prices and sizes are scaled by one scale each; times in µs.

    `side` is 1 where the taker bought, -1 where the taker sold. `event_time` is the venue's clock as
    the last of them tells it.
    """

    symbol: list[str]
    trade_id: Ints
    price: Ints
    price_scale: int
    size: Ints
    size_scale: int
    side: NDArray[np.int32]
    venue_time: Ints
    event_time: int

    def __len__(self) -> int:
        return len(self.symbol)

    def part(self, start: int, end: int) -> TradeColumns:
        """Return the trades from `start` up to `end`, exclusive."""
        return TradeColumns(
            symbol=self.symbol[start:end],
            trade_id=self.trade_id[start:end],
            price=self.price[start:end],
            price_scale=self.price_scale,
            size=self.size[start:end],
            size_scale=self.size_scale,
            side=self.side[start:end],
            venue_time=self.venue_time[start:end],
            event_time=self.event_time,
        )


class ControlKind(Enum):
    """What a message that is no trade means."""

    SUBSCRIBED = auto()
    REFUSED = auto()
    SHUTDOWN = auto()
    MALFORMED = auto()


class Control(Struct, frozen=True):
    """A message that is no trade; `detail` is for people (for SUBSCRIBED: which request)."""

    kind: ControlKind
    detail: str


class LineProtocol(Protocol):
    """What keeping a connection open needs to know of the protocol that is spoken on it."""

    limits: VenueLimits

    def url(self, base: str) -> str:
        """Return the address to connect to, given the configured host."""
        ...

    def subscribe(self, symbols: Sequence[str]) -> Iterator[bytes]:
        """Yield the messages that ask for what the connection is for."""
        ...


class VenueProtocol(LineProtocol, Protocol):
    """The client's side of a venue's WebSocket protocol, for one connection.

    Whole text messages go in, trades and controls come out; what to send is yielded as text. Nothing
    awaits, nothing reads a clock. A venue is one file with such a class, tested on recorded bytes.
    """

    consecutive_ids: bool

    def subscribe(self, symbols: Sequence[str]) -> Iterator[bytes]:
        """Yield the messages that ask for the trades of `symbols`."""
        ...

    def receive(self, messages: Sequence[bytes]) -> tuple[TradeColumns | None, list[Control]]:
        """Return the trades in `messages`, in order, and everything else that matters.

        Raises ScaleOverflowError, having taken nothing in, if the numbers of several messages do not
        fit one scale; one message at a time they do.
        """
        ...

    def ping_time(self, payload: bytes) -> int | None:
        """Return the venue's clock in µs if a ping's payload tells it."""
        ...
