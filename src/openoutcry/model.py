"""The vocabulary: immutable values that every part of OpenOutcry speaks in.

Times are UTC integer microseconds since 1970. Prices, sizes and money are exact `Decimal`s here and
scaled integers in columns (see `core.frames`); they never pass through a float.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Side(StrEnum):
    """The taker's side of a trade."""

    BUY = "buy"
    SELL = "sell"


class Instrument(Struct, frozen=True):
    """A market at a venue, as the store knows it.

    `price_scale` and `size_scale` are counts of decimal places: a price of 61837.63 at scale 2 is
    the integer 6183763. They only ever grow.
    """

    id: int
    venue: str
    symbol: str
    base: str
    quote: str
    price_scale: int
    size_scale: int


class Trade(Struct, frozen=True):
    """One public print on the tape."""

    venue: str
    symbol: str
    trade_id: int
    price: Decimal
    size: Decimal
    side: Side
    venue_time: int
    received_time: int


class Quote(Struct, frozen=True):
    """A bid and an ask around the last price; never used for charts."""

    symbol: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    venue_time: int


class Candle(Struct, frozen=True):
    """Open, high, low, close and volumes of one bucket.

    `volume` is in base units, `quote_volume` in quote units, `trades` counts prints. `complete`
    says that the bucket is over and that every trade the venue made in it is counted. The first and
    last trade's ids are -1 where they are not known: the venue's own candles do not tell them.
    """

    bucket: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    complete: bool = False
    first_id: int = -1
    last_id: int = -1


class GapState(StrEnum):
    """What is known of a jump in a venue's trade ids."""

    SUSPECTED = "suspected"
    FILLED = "filled"
    ABSENT = "absent"


class Role(StrEnum):
    """What a user may do."""

    USER = "user"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API key may do for its user.

    `read` is in every key. `trade` lets it change what is the user's: bots, orders, logs. `admin`
    lets an admin's key use the admin's endpoints.
    """

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


class User(Struct, frozen=True):
    """Somebody who has signed in, or whose API key was shown."""

    id: int
    name: str
    role: Role


class RoleStatus(Struct, frozen=True):
    """What one running process says of itself, once a second.

    `counters` only grow while the process lives; `gauges` are as of `updated_time`; `symbols` maps
    a symbol to the venue time of its last trade (µs). `notes` are short texts, without secrets.
    """

    role: str
    instance: str
    pid: int
    host: str
    started_time: int
    updated_time: int
    state: str
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    symbols: dict[str, int] = {}
    notes: dict[str, str] = {}
