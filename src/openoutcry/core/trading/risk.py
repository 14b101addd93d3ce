"""Risk: why an order is not placed, in words that a trader understands."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from openoutcry.core.prices import plain_text
from openoutcry.core.trading import positions
from openoutcry.core.trading.amounts import is_multiple, percent_of
from openoutcry.core.trading.strategies.base import Place
from openoutcry.trading import ZERO, Bot, Market, Order, OrderSide


class Wanted(Struct, frozen=True):
    """An order that is asked for, and what it is held against.

    `price` is what it is valued at: its limit, or for MARKET the quote that it would meet. `last` is
    the last trade's price. `needed` is what it would hold back, `available` what there is of that
    asset for this bot, None if nobody here knows (a live exchange does). `others` is how much of the
    asset is free but belongs to positions of other bots.
    """

    bot: Bot
    place: Place
    market: Market
    price: Decimal
    last: Decimal
    needed: Decimal
    available: Decimal | None
    others: Decimal
    open_orders: tuple[Order, ...]
    kill_switch: bool


def refusal(wanted: Wanted) -> str | None:
    """Return why the order is refused, None if it may be placed.

    `max_order` and `max_position` bound what is opened: an order that only closes what the bot
    holds is never refused by them.
    """
    if wanted.kill_switch:
        return "the kill switch is on"
    return _malformed(wanted) or _limits(wanted) or _short(wanted)


def _malformed(wanted: Wanted) -> str | None:
    place, market = wanted.place, wanted.market
    if place.quantity <= 0 or not is_multiple(place.quantity, market.quantity_step):
        step = plain_text(market.quantity_step)
        return f"the quantity {plain_text(place.quantity)} is not a positive multiple of {step}"
    if place.price is not None and (
        place.price <= 0 or not is_multiple(place.price, market.price_step)
    ):
        step = plain_text(market.price_step)
        return f"the price {plain_text(place.price)} is not a positive multiple of {step}"
    return None


def _limits(wanted: Wanted) -> str | None:
    place = wanted.place
    band = wanted.bot.limits.price_band
    if band is not None and place.price is not None:
        away = abs(place.price - wanted.last)
        if away > percent_of(wanted.last, band):
            return (
                f"its price {plain_text(place.price)} is more than {plain_text(band)} % "
                f"from the last trade at {plain_text(wanted.last)}"
            )
    opening = positions.opens(wanted.bot.position, place.side, place.quantity)
    return _opening(wanted, opening) or _leverage(wanted) if opening else None


def _opening(wanted: Wanted, opening: Decimal) -> str | None:
    limits, quote, place = wanted.bot.limits, wanted.market.quote, wanted.place
    worth = wanted.price * place.quantity
    if limits.max_order is not None and worth > limits.max_order:
        return (
            f"it is worth {plain_text(worth)} {quote}, "
            f"more than max_order {plain_text(limits.max_order)}"
        )
    if limits.max_position is None:
        return None
    held = _held(wanted.bot, place.side) + _waiting(wanted.open_orders, place.side, wanted.price)
    total = held + wanted.price * opening
    if total <= limits.max_position:
        return None
    return (
        f"the position could grow to {plain_text(total)} {quote}, "
        f"more than max_position {plain_text(limits.max_position)}"
    )


def _leverage(wanted: Wanted) -> str | None:
    bot, place = wanted.bot, wanted.place
    if bot.leverage > 1 and place.side is OrderSide.SELL:
        return "a bot with leverage can only sell what it has bought"
    if bot.position.loan and bot.position.quantity <= 0:
        owed = f"{plain_text(bot.position.loan)} {wanted.market.quote}"
        return f"the bot still owes {owed} from a forced close"
    return None


def _held(bot: Bot, side: OrderSide) -> Decimal:
    """Return what the position has cost, if it is on this side of nothing."""
    cost = bot.position.cost if side is OrderSide.BUY else -bot.position.cost
    return max(ZERO, cost)


def _waiting(open_orders: Iterable[Order], side: OrderSide, price: Decimal) -> Decimal:
    """Return what the bot's open orders on this side may add."""
    same = (order for order in open_orders if order.side is side)
    return sum((order.remaining * (order.price or price) for order in same), ZERO)


def _short(wanted: Wanted) -> str | None:
    if wanted.available is None or wanted.needed <= wanted.available:
        return None
    buys = wanted.place.side is OrderSide.BUY
    asset = wanted.market.quote if buys else wanted.market.base
    text = (
        f"it needs {plain_text(wanted.needed)} {asset}, and {plain_text(max(ZERO, wanted.available))} "
        f"{asset} are free"
    )
    if wanted.others > 0:
        text += f" ({plain_text(wanted.others)} more belong to other bots' positions)"
    return text
