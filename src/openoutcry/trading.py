"""The vocabulary of trading: bots, orders, fills, and what happens to them. Immutable values.

Amounts are exact `Decimal`s; times are UTC integer microseconds. `quantity` is in base units, money in
quote units. Names of fields are those of the columns; on the wire they are in snake case too.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

ZERO: Final = Decimal(0)


class OrderSide(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"


class OrderKind(StrEnum):
    """A LIMIT order waits for its price or a better one; a MARKET order takes what there is."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"


class OrderStatus(StrEnum):
    """Where an order is in its life; `core.trading.orders` has the transitions."""

    PENDING = "PENDING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


OPEN: Final = frozenset({OrderStatus.PENDING, OrderStatus.PARTIALLY_FILLED})
"""The statuses of an order that may still trade."""


class BotStatus(StrEnum):
    """ERROR: the bot stopped itself, its last log entry says why."""

    ACTIVE = "ACTIVE"
    STOPPED = "STOPPED"
    ERROR = "ERROR"


class LogLevel(StrEnum):
    """How much an entry of the activity log matters."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Order(Struct, frozen=True):
    """One order of a bot.

    `client_order_id` is made by us before anybody hears of the order, unique for all time and the same
    when the decision is repeated after a crash: an exchange that gets it twice takes it once.
    `price` is the limit, None for MARKET. `filled_quote` is price x quantity over all fills.
    `reserved` is what the order holds back: quote units for BUY, base units for SELL. `paired` is the
    client order id of the order that this one answers (a sell for a buy, or the reverse).
    """

    client_order_id: str
    bot_id: int
    symbol: str
    side: OrderSide
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None
    created_at: int
    updated_at: int
    status: OrderStatus = OrderStatus.PENDING
    filled_quantity: Decimal = ZERO
    filled_quote: Decimal = ZERO
    fee: Decimal = ZERO
    reserved: Decimal = ZERO
    reason: str | None = None
    paired: str | None = None
    exchange_order_id: str | None = None

    @property
    def remaining(self) -> Decimal:
        """The quantity that has not been filled."""
        return self.quantity - self.filled_quantity

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN


class Fill(Struct, frozen=True):
    """One execution of an order: a trade of ours.

    `fee` is in quote units. `realized_pnl` is what this fill has earned against the position's cost,
    before its fee; 0 where it opened or added. `execution_id` names the execution within its order,
    the same when it is told again: the tape's trade id on paper, the exchange's own live.
    """

    client_order_id: str
    execution_id: str
    bot_id: int
    symbol: str
    side: OrderSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realized_pnl: Decimal
    time: int


class Position(Struct, frozen=True):
    """What a bot holds, and what it has earned.

    `quantity` in base units; `cost` is what was paid for it, without fees, in quote units; `loan` is
    how much of that was borrowed (leverage). `realized_pnl` is before `fees`. `wins` counts closing
    fills that earned more than nothing, `closes` all of them.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    loan: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    closes: int = 0
    wins: int = 0


class Balance(Struct, frozen=True):
    """What an account has of one asset; `locked` is held back by open orders."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


class Limits(Struct, frozen=True):
    """A bot's risk limits, None for none. Amounts in quote units, `price_band` in percent.

    `max_order`: the most that one order may be worth. `max_position`: the most that may be held, at
    cost. `price_band`: how far a limit price may be from the last trade.
    """

    max_order: Decimal | None = None
    max_position: Decimal | None = None
    price_band: Decimal | None = None


class Bot(Struct, frozen=True):
    """A strategy at work on one symbol, with its parameters, its memory and its results.

    `parameters` are the strategy's, as JSON values (amounts as decimal strings), checked by it.
    `memory` is the strategy's own state between events, JSON values only. `orders_made` numbers its
    client order ids. `seen` is the id of the last trade of the tape that it has taken into account,
    None until it has seen one since it was started.
    """

    id: int
    name: str
    strategy: str
    exchange: str
    symbol: str
    status: BotStatus
    parameters: dict[str, Any]
    limits: Limits
    created_at: int
    updated_at: int
    memory: dict[str, Any] = {}
    position: Position = Position()
    leverage: Decimal = Decimal(1)
    orders_made: int = 0
    fills: int = 0
    seen: int | None = None
    last_fill_at: int | None = None
    last_fill_price: Decimal | None = None
    last_fill_side: OrderSide | None = None


class LogEntry(Struct, frozen=True):
    """A line of a user's activity log; `bot_id` is None for what concerns no bot."""

    level: LogLevel
    message: str
    time: int
    bot_id: int | None = None


class Market(Struct, frozen=True):
    """What an account may trade: a symbol, its assets and the steps of its price and quantity."""

    symbol: str
    base: str
    quote: str
    price_step: Decimal
    quantity_step: Decimal


class Account(Struct, frozen=True):
    """Everything of one user that the execution core reads and changes.

    `bots` by id, `orders` by client order id (open ones only), `balances` by asset. `version` grows
    with each stored change, whoever makes it.
    """

    user_id: int
    version: int
    balances: dict[str, Balance]
    bots: dict[int, Bot]
    orders: dict[str, Order]
    kill_switch: bool = False
