"""Scalper: buy at one price, sell at a higher one, round and round."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from openoutcry.core.trading.amounts import percent_of
from openoutcry.core.trading.bands import ALWAYS, NEVER, Band
from openoutcry.core.trading.strategies.base import (
    Decision,
    Place,
    Tick,
    View,
    percent_problem,
    step_problem,
)
from openoutcry.trading import Bot, Market, OrderKind, OrderSide

BUY: Final = OrderSide.BUY
SELL: Final = OrderSide.SELL


class ScalperParameters(Struct, frozen=True):
    """A scalper's parameters."""

    quantity: Annotated[Decimal, Meta(description="How much to buy and sell, in base units.")]
    buy_price: Annotated[Decimal, Meta(description="Buy at this price or lower.")]
    sell_price: Annotated[Decimal, Meta(description="Sell at this price or higher.")]
    first_order: Annotated[
        OrderSide,
        Meta(description="BUY to begin with a purchase, SELL to begin with what you have."),
    ] = BUY
    trailing_percent: Annotated[
        Decimal | None,
        Meta(
            description="Once the price is reached, follow it for as long as it gets better, and "
            "order when it has turned by so many percent; never at a worse price than the one above."
        ),
    ] = None
    infinite_loop: Annotated[
        bool, Meta(description="Begin again after each round; otherwise stop after one.")
    ] = False


class Scalper:
    """Rests a limit order on one side, and on the other when that is filled.

    Memory: `side`, of the next order; `best`, the best quote since the price was reached (trailing).
    The closing order is for whatever the bot holds, so a round always ends with nothing.
    """

    name = "scalper"
    summary = "Buys at one price and sells at a higher one, round and round."
    parameters = ScalperParameters

    def check(self, parameters: ScalperParameters, market: Market) -> list[str]:
        """Return what is wrong with the parameters."""
        problems = [
            *step_problem("quantity", parameters.quantity, market.quantity_step),
            *step_problem("buy_price", parameters.buy_price, market.price_step),
            *step_problem("sell_price", parameters.sell_price, market.price_step),
            *percent_problem("trailing_percent", parameters.trailing_percent, 50),
        ]
        if parameters.sell_price <= parameters.buy_price:
            problems.append(
                f"sell_price {parameters.sell_price:f} must be above "
                f"buy_price {parameters.buy_price:f}, or every round loses money."
            )
        return problems

    def decide(self, parameters: ScalperParameters, view: View, tick: Tick) -> Decision:
        """Return the next order if none is open."""
        memory = view.bot.memory
        side = _side(parameters, view.bot)
        best = memory.get("best")
        paired = None
        if view.filled:
            paired, best = view.filled[-1].client_order_id, None
            side = SELL if view.filled[-1].side is BUY else BUY
            if side is parameters.first_order and not parameters.infinite_loop:
                return Decision({}, done="The round is complete; infinite_loop is off.")
        remembered: dict[str, Any] = {"side": side.value}
        if view.orders:
            return Decision(remembered)
        quantity = _quantity(parameters, view.bot, side)
        if quantity <= 0:  # the opening order was cancelled after it had all it wanted
            side = SELL if side is BUY else BUY
            remembered["side"] = side.value
            quantity = _quantity(parameters, view.bot, side)
        if parameters.trailing_percent is not None:
            best = _follow(side, _price(parameters, side), best, tick)
            if best is None:
                return Decision(remembered)
            if not _turned(side, best, parameters.trailing_percent, tick):
                return Decision(remembered | {"best": f"{best:f}"})
        price = _price(parameters, side)
        return Decision(remembered, (Place(side, OrderKind.LIMIT, quantity, price, paired),))

    def band(self, parameters: ScalperParameters, view: View) -> Band:
        """Return when to be asked: at once to place an order, or when a trailing price moves."""
        if view.orders:
            return NEVER
        if parameters.trailing_percent is None or not view.bot.memory:
            return ALWAYS
        side = _side(parameters, view.bot)
        best = view.bot.memory.get("best")
        if best is None:
            price = _price(parameters, side)
            return Band(ask_at_most=price) if side is BUY else Band(bid_at_least=price)
        turn = _turn(side, Decimal(best), parameters.trailing_percent)
        if side is BUY:
            return Band(ask_below=Decimal(best), ask_at_least=turn)
        return Band(bid_above=Decimal(best), bid_at_most=turn)


def _side(parameters: ScalperParameters, bot: Bot) -> OrderSide:
    if side := bot.memory.get("side"):
        return OrderSide(side)
    if bot.position.quantity:
        return SELL if bot.position.quantity > 0 else BUY
    return parameters.first_order


def _price(parameters: ScalperParameters, side: OrderSide) -> Decimal:
    return parameters.buy_price if side is BUY else parameters.sell_price


def _quantity(parameters: ScalperParameters, bot: Bot, side: OrderSide) -> Decimal:
    held = abs(bot.position.quantity)
    return parameters.quantity - held if side is parameters.first_order else held


def _follow(side: OrderSide, price: Decimal, best: str | None, tick: Tick) -> Decimal | None:
    """Return the best quote since `price` was reached, None if it has not been."""
    quote = tick.ask if side is BUY else tick.bid
    if best is None:
        reached = quote <= price if side is BUY else quote >= price
        return quote if reached else None
    return min(Decimal(best), quote) if side is BUY else max(Decimal(best), quote)


def _turn(side: OrderSide, best: Decimal, percent: Decimal) -> Decimal:
    margin = percent_of(best, percent)
    return best + margin if side is BUY else best - margin


def _turned(side: OrderSide, best: Decimal, percent: Decimal, tick: Tick) -> bool:
    turn = _turn(side, best, percent)
    return tick.ask >= turn if side is BUY else tick.bid <= turn
