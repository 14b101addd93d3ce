"""Grid: buy at each of several levels, and sell each purchase one level higher."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from msgspec import Meta, Struct

from openoutcry.core.trading.amounts import share_down, to_step
from openoutcry.core.trading.bands import ALWAYS, NEVER, Band
from openoutcry.core.trading.strategies.base import Decision, Place, Tick, View, step_problem
from openoutcry.trading import ZERO, Market, Order, OrderKind, OrderSide

_MOST_LEVELS: Final = 50
_BUYS: Final = "B"
_SELLS: Final = "S"


class GridParameters(Struct, frozen=True):
    """A grid's parameters."""

    lower: Annotated[Decimal, Meta(description="The lowest level: buy here.")]
    upper: Annotated[Decimal, Meta(description="The highest level: sell here.")]
    levels: Annotated[int, Meta(description="How many prices, both ends included: 2 to 50.")]
    quantity: Annotated[Decimal, Meta(description="How much to buy at each, in base units.")]


class Grid:
    """Each gap between two levels is a slot that buys at its lower and sells at its upper end.

    Memory: `slots`, one letter a slot from the lowest on: B waits to buy, S to sell. A slot orders to
    buy once the price is above its level, so that nothing is bought on the way in. What the bot holds
    when it starts is offered at the highest levels.
    """

    name = "grid"
    summary = "Buys at several levels, and sells each purchase one level higher."
    parameters = GridParameters

    def check(self, parameters: GridParameters, market: Market) -> list[str]:
        """Return what is wrong with the parameters."""
        problems = [
            *step_problem("lower", parameters.lower, market.price_step),
            *step_problem("upper", parameters.upper, market.price_step),
            *step_problem("quantity", parameters.quantity, market.quantity_step),
        ]
        if not 2 <= parameters.levels <= _MOST_LEVELS:
            problems.append(f"levels must be from 2 to {_MOST_LEVELS}, not {parameters.levels}.")
        elif parameters.upper <= parameters.lower:
            problems.append(f"upper {parameters.upper:f} must be above lower {parameters.lower:f}.")
        elif not problems and len(set(_prices(parameters, market))) < parameters.levels:
            problems.append(
                f"{parameters.levels} levels are too many between {parameters.lower:f} and "
                f"{parameters.upper:f}: prices move in steps of {market.price_step:f}."
            )
        return problems

    def decide(self, parameters: GridParameters, view: View, tick: Tick) -> Decision:
        """Return an order for each slot that has none and should."""
        prices = _prices(parameters, view.market)
        slots, pairs = _slots(parameters, view, prices), dict[int, str]()
        for order in view.filled:
            slot = _slot_of(order, prices)
            slots[slot] = _SELLS if order.side is OrderSide.BUY else _BUYS
            pairs[slot] = order.client_order_id
        taken = {_slot_of(order, prices) for order in view.orders}
        offered = sum((o.remaining for o in view.orders if o.side is OrderSide.SELL), ZERO)
        spare = view.bot.position.quantity - offered
        wishes = []
        for slot, state in enumerate(slots):
            if slot in taken:
                continue
            if state == _SELLS:
                quantity = min(spare, parameters.quantity)
                spare -= quantity
                side, price = OrderSide.SELL, prices[slot + 1]
            else:
                quantity = parameters.quantity if tick.bid > prices[slot] else ZERO
                side, price = OrderSide.BUY, prices[slot]
            if quantity > 0:
                paired = pairs.get(slot)
                wishes.append(Place(side, OrderKind.LIMIT, quantity, price, paired))
            elif state == _SELLS:
                slots[slot] = _BUYS  # somebody else has sold it
        return Decision({"slots": "".join(slots)}, tuple(wishes))

    def band(self, parameters: GridParameters, view: View) -> Band:
        """Return when the price rises above a level that has no order."""
        if not view.bot.memory:
            return ALWAYS
        prices = _prices(parameters, view.market)
        taken = {_slot_of(order, prices) for order in view.orders}
        idle = [
            (state, price)
            for slot, (state, price) in enumerate(
                zip(_slots(parameters, view, prices), prices, strict=False)
            )
            if slot not in taken
        ]
        if any(state == _SELLS for state, _ in idle):
            return ALWAYS
        return Band(bid_above=min(price for _, price in idle)) if idle else NEVER


def _prices(parameters: GridParameters, market: Market) -> list[Decimal]:
    """Return the levels, ascending, on the market's grid of prices."""
    gaps = Decimal(parameters.levels - 1)
    wide = parameters.upper - parameters.lower
    return [
        parameters.lower + to_step(share_down(wide * level, gaps), market.price_step)
        for level in range(parameters.levels)
    ]


def _slots(parameters: GridParameters, view: View, prices: list[Decimal]) -> list[str]:
    """Return what each slot waits for; without any order, by what is held."""
    if view.orders or view.filled:
        return list(view.bot.memory.get("slots", _BUYS * (len(prices) - 1)))
    count = len(prices) - 1
    held = max(ZERO, view.bot.position.quantity)
    full = min(count, int(-(-held // parameters.quantity)))
    return [_BUYS] * (count - full) + [_SELLS] * full


def _slot_of(order: Order, prices: list[Decimal]) -> int:
    level = prices.index(order.price or ZERO)
    return level if order.side is OrderSide.BUY else level - 1
