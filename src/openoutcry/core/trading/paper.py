"""The paper exchange: at which price an order fills, and what that does to the account's money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct, structs

from openoutcry.core.trading import orders, positions
from openoutcry.core.trading.amounts import share_down, share_up
from openoutcry.core.trading.strategies.base import Tick
from openoutcry.trading import (
    ZERO,
    Balance,
    Bot,
    Fill,
    Limits,
    Market,
    Order,
    OrderKind,
    OrderSide,
    Position,
)

CUSHION: Final = Decimal("1.01")
"""A MARKET order to buy holds back so much more than its worth: the price may move before it fills."""

MAINTENANCE: Final = Decimal("1.005")
"""A position on a loan is closed when its worth falls to this many times the loan."""


class Settled(Struct, frozen=True):
    """An execution, booked."""

    order: Order
    position: Position
    balances: dict[str, Balance]
    fill: Fill


def fill_price(order: Order, tick: Tick) -> Decimal | None:
    """Return the price at which an order fills at this trade, None if it does not.

    A BUY pays the ask, a SELL gets the bid; a LIMIT order only if that is as good as its price.
    """
    if order.side is OrderSide.BUY:
        return tick.ask if order.price is None or tick.ask <= order.price else None
    return tick.bid if order.price is None or tick.bid >= order.price else None


def to_reserve(
    side: OrderSide, price: Decimal, quantity: Decimal, leverage: Decimal, fee_rate: Decimal
) -> Decimal:
    """Return what an order of `quantity` at `price` holds back: quote units for BUY, base for SELL."""
    if side is OrderSide.SELL:
        return quantity
    worth = price * quantity
    own = worth if leverage == 1 else share_up(worth, leverage)
    return own + worth * fee_rate


def settle(
    order: Order,
    bot: Bot,
    market: Market,
    balances: Mapping[str, Balance],
    *,
    price: Decimal,
    quantity: Decimal,
    fee_rate: Decimal,
    execution_id: str,
    time: int,
) -> Settled | str:
    """Return the execution of `quantity` at `price`, or why the order cannot have it.

    Guarantee: no balance becomes negative. A LIMIT order can always pay: what it holds back
    covers it at its own price, and it fills at that or a better one; but one that opens a position
    by selling may reach `max_position` sooner when it sells for more.
    """
    worth = price * quantity
    fee = worth * fee_rate
    left = order.remaining - quantity
    reserved = _reserved_after(order, left, bot.leverage, fee_rate)
    released = order.reserved - reserved
    base = balances.get(market.base, Balance())
    quote = balances.get(market.quote, Balance())
    loan = bot.position.loan
    if order.side is OrderSide.BUY:
        own = worth if bot.leverage == 1 else share_down(worth, bot.leverage)
        loan += worth - own
        free = quote.free + released - own - fee
        if free < 0:
            return "The price moved, and the free balance no longer covers the order."
        quote = Balance(free, quote.locked - released)
        base = Balance(base.free + quantity, base.locked)
    else:
        repaid = min(loan, worth - fee)
        loan -= repaid
        quote = Balance(quote.free + worth - fee - repaid, quote.locked)
        base = Balance(base.free, base.locked - quantity)
    position, realized = positions.apply(bot.position, order.side, price, quantity, fee)
    if problem := _too_much(
        order, bot.limits, bot.position, after=position, quantity=quantity, worth=worth
    ):
        return problem
    return Settled(
        order=orders.fill(order, price, quantity, fee=fee, reserved=reserved, time=time),
        position=structs.replace(position, loan=loan),
        balances={market.base: base, market.quote: quote},
        fill=Fill(
            client_order_id=order.client_order_id,
            execution_id=execution_id,
            bot_id=bot.id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            realized_pnl=realized,
            time=time,
        ),
    )


def _reserved_after(order: Order, left: Decimal, leverage: Decimal, fee_rate: Decimal) -> Decimal:
    if not left:
        return ZERO
    if order.side is OrderSide.SELL:
        return left
    if order.kind is OrderKind.LIMIT and order.price is not None:
        return to_reserve(order.side, order.price, left, leverage, fee_rate)
    return share_down(order.reserved * left, order.remaining)


def _too_much(
    order: Order,
    limits: Limits,
    before: Position,
    *,
    after: Position,
    quantity: Decimal,
    worth: Decimal,
) -> str | None:
    """Return which limit a fill would break. What only closes a position breaks none."""
    if not positions.opens(before, order.side, quantity):
        return None
    if limits.max_position is not None and abs(after.cost) > limits.max_position:
        return f"The price moved, and more would pass max_position {limits.max_position:f}."
    market = order.kind is OrderKind.MARKET
    if market and limits.max_order is not None and order.filled_quote + worth > limits.max_order:
        return f"The price moved, and more would pass max_order {limits.max_order:f}."
    return None


def must_close(position: Position, bid: Decimal) -> bool:
    """Return whether what the loan has bought is worth too little at `bid`."""
    if not position.loan or position.quantity <= 0:
        return False
    return bid * position.quantity <= position.loan * MAINTENANCE


def close_at(position: Position) -> Decimal | None:
    """Return the highest bid at which `must_close` may hold, None if there is no loan."""
    if not position.loan or position.quantity <= 0:
        return None
    return share_up(position.loan * MAINTENANCE, position.quantity)
