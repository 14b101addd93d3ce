"""What strategies that trade at the market share: purchases for an amount, and exits by percent."""

from __future__ import annotations

from decimal import Decimal

from openoutcry.core.trading.amounts import percent_of, share_down, share_up, to_step
from openoutcry.core.trading.strategies.base import Place, Tick
from openoutcry.trading import Bot, Market, OrderKind, OrderSide, Position


def buy_for(amount: Decimal, tick: Tick, market: Market) -> Place | None:
    """Return a MARKET order for at most `amount` quote units; None if that buys less than a step."""
    quantity = to_step(share_down(amount, tick.ask), market.quantity_step)
    return Place(OrderSide.BUY, OrderKind.MARKET, quantity) if quantity else None


def too_small(amount: Decimal, tick: Tick, market: Market) -> str:
    """Return why `buy_for` has nothing to buy."""
    return (
        f"amount {amount:f} {market.quote} buys less than {market.quantity_step:f} {market.base}, "
        f"the smallest quantity, at {tick.ask:f}."
    )


def sell_all(bot: Bot, paired: str | None = None) -> Place:
    """Return a MARKET order for everything that the bot holds."""
    return Place(OrderSide.SELL, OrderKind.MARKET, bot.position.quantity, paired=paired)


def gained(position: Position, bid: Decimal, percent: Decimal) -> bool:
    """Return whether the position is worth `percent` more than its cost, at the bid."""
    return bid * position.quantity >= position.cost + percent_of(position.cost, percent)


def gain_price(position: Position, percent: Decimal) -> Decimal:
    """Return a bid below which `gained` cannot be."""
    return share_down(position.cost + percent_of(position.cost, percent), position.quantity)


def lost(position: Position, bid: Decimal, percent: Decimal) -> bool:
    """Return whether the position is worth `percent` less than its cost, at the bid."""
    return bid * position.quantity <= position.cost - percent_of(position.cost, percent)


def loss_price(position: Position, percent: Decimal) -> Decimal:
    """Return a bid above which `lost` cannot be."""
    return share_up(position.cost - percent_of(position.cost, percent), position.quantity)


def amount_problem(amount: Decimal) -> list[str]:
    """Return a sentence if `amount` is not above 0."""
    return [] if amount > 0 else [f"amount {amount:f} must be above 0."]
