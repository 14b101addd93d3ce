"""Channels: the names that clients subscribe to, and how each kind treats a slow reader.

`user` is the private one: the same name for everybody, and each hears of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from typing import Final, Literal

from msgspec import Struct

from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.core.keys import STATS_TRADES, TOKENS_TOP
from openoutcry.core.user_messages import CHANNEL


class Policy(Enum):
    """What a client that cannot keep up gets of a channel."""

    LATEST = "latest"
    """The latest message of each key (a price has one key, a candle one for each bucket)."""
    NEWEST = "newest"
    """The newest items, and the number of those left out."""
    EVERY = "every"
    """Every message, up to the outbox's bound; past it the connection is closed with 3008."""


class Kind(Struct, frozen=True):
    """A kind of channel: its name, and then a colon and a value for each of `fields`."""

    name: str
    fields: tuple[Literal["SYMBOL", "interval", "address"], ...]
    policy: Policy
    private: bool = False

    @property
    def shape(self) -> str:
        """Return how such a channel is written, for people."""
        return ":".join((self.name, *(f"<{field}>" for field in self.fields)))


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("price", ("SYMBOL",), Policy.LATEST),
        Kind("candle", ("SYMBOL", "interval"), Policy.LATEST),
        Kind("trade", ("SYMBOL",), Policy.NEWEST),
        Kind("tickers", (), Policy.LATEST),
        Kind(STATS_TRADES, (), Policy.LATEST),
        Kind("token", ("address",), Policy.NEWEST),
        Kind(TOKENS_TOP, (), Policy.LATEST),
        Kind(CHANNEL, (), Policy.EVERY, private=True),
    )
}


class Channel(Struct, frozen=True):
    """A channel that exists. `interval` is empty but for candles, `symbol` if it is of no symbol.

    Of a token `symbol` is its address.
    """

    kind: str
    symbol: str = ""
    interval: str = ""

    @property
    def name(self) -> str:
        """Return the channel as clients write it."""
        return ":".join(part for part in (self.kind, self.symbol, self.interval) if part)

    @property
    def policy(self) -> Policy:
        """Return what a slow reader gets of this channel."""
        return KINDS[self.kind].policy

    @property
    def private(self) -> bool:
        """Return whether each user hears something else of this channel."""
        return KINDS[self.kind].private

    @property
    def length(self) -> Interval:
        """Return the interval of a candle channel."""
        return INTERVALS[self.interval]


class NoChannel(Struct, frozen=True):
    """Why a name is no channel: an error code of the protocol and the choices."""

    code: Literal["unknown_channel", "unknown_symbol", "unknown_interval", "unknown_token"]
    message: str


def parse_channel(text: str, symbols: Collection[str]) -> Channel | NoChannel:
    """Return the channel called `text`, or what is wrong with the name."""
    name, *values = (text,) if text in KINDS else text.split(":")
    kind = KINDS.get(name)
    if kind is None or len(values) != len(kind.fields):
        shapes = ", ".join(kind.shape for kind in KINDS.values())
        return NoChannel("unknown_channel", f"There is no channel {text}; channels are {shapes}.")
    if not values:
        return Channel(name)
    symbol = values[0]
    if kind.fields == ("address",):
        return _token_channel(name, symbol)
    if symbol not in symbols:
        return NoChannel("unknown_symbol", f"There is no symbol {symbol}; {_some(symbols)}.")
    interval = values[1] if len(values) > 1 else ""
    if len(values) > 1 and interval not in INTERVALS:
        choices = ", ".join(INTERVALS)
        return NoChannel(
            "unknown_interval", f"There is no interval {interval}; intervals are {choices}."
        )
    return Channel(name, symbol, interval)


def _token_channel(name: str, address: str) -> Channel | NoChannel:
    if _ADDRESS.fullmatch(address):
        return Channel(name, address)
    problem = f"{address} is no token; write 0x and 40 hexadecimal digits in lower case."
    return NoChannel("unknown_token", problem)


_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")


def _some(symbols: Collection[str]) -> str:
    ordered = sorted(symbols)
    more = f" and {len(ordered) - 20} more" if len(ordered) > 20 else ""
    return f"symbols are {', '.join(ordered[:20])}{more}"
