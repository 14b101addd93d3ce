"""What a strategy is: parameters, a check of them, and a decision for each trade that matters."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from openoutcry.core.trading.bands import Band
from openoutcry.trading import Bot, Market, Order, OrderKind, OrderSide


class Tick(Struct, frozen=True):
    """A trade and the quote around it. Venue time in µs."""

    id: int
    price: Decimal
    size: Decimal
    bid: Decimal
    ask: Decimal
    time: int


class View(Struct, frozen=True):
    """What a strategy sees: its bot, the bot's open orders, those just filled whole, the market."""

    bot: Bot
    orders: tuple[Order, ...]
    filled: tuple[Order, ...]
    market: Market


class Place(Struct, frozen=True):
    """A wish for an order; `price` is the limit, None for a MARKET order."""

    side: OrderSide
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    paired: str | None = None


class Withdraw(Struct, frozen=True):
    """A wish to cancel an open order of the bot's own."""

    client_order_id: str
    reason: str


Wish: TypeAlias = Place | Withdraw


class Decision(Struct, frozen=True):
    """What a strategy wants: its memory from now on (JSON values), orders, and whether it is done.

    `done` is a sentence for the user; the bot is stopped with it.
    """

    memory: dict[str, Any]
    wishes: tuple[Wish, ...] = ()
    done: str | None = None


class Strategy(Protocol):
    """One way to trade. Stateless: all that it remembers is in the bot's `memory`.

    Guarantees that every strategy gives: `decide` depends on its arguments alone; at a trade at
    which nothing that `band` names is reached, and with nothing filled, it returns the memory that
    it was given and no wishes. A wish may be refused: `decide` is asked again later, so it compares
    what it wants with the orders that are there, rather than counting on its wishes.
    """

    name: str
    summary: str

    @property
    def parameters(self) -> type[Struct]:
        """The Struct of its parameters; each field says what it means."""

    def check(self, parameters: Any, market: Market) -> list[str]:
        """Return what is wrong with the parameters, each a sentence; empty if nothing is."""

    def decide(self, parameters: Any, view: View, tick: Tick) -> Decision:
        """Return what to do after this trade."""

    def band(self, parameters: Any, view: View) -> Band:
        """Return when to be asked next. Own orders and loans need not be named."""


def percent_problem(name: str, value: Decimal | None, most: int) -> list[str]:
    """Return a sentence if `value` is not above 0 and below `most` percent; None is fine."""
    if value is None or 0 < value < most:
        return []
    return [f"{name} {value:f} must be above 0 and below {most} (percent)."]


def step_problem(name: str, value: Decimal, step: Decimal) -> list[str]:
    """Return a sentence if `value` is not above 0 and a whole number of steps."""
    if value <= 0:
        return [f"{name} {value:f} must be above 0."]
    if value % step:
        return [f"{name} {value:f} must be a multiple of {step:f}, the market's step."]
    return []
