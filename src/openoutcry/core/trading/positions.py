"""What a bot holds, after a fill. Signed: a bot that sells first owes what it has sold.

The identity that everything else rests on: for any price P,
realised + (quantity x P - cost) - fees = what the fills have changed in the balances, valued at P,
less the loan. A division happens in one place, the cost of a part that is closed; it is rounded, and
what the rounding leaves stays in the position's cost.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import structs

from openoutcry.core.trading.amounts import HUNDRED, share_down
from openoutcry.trading import ZERO, OrderSide, Position

_CENTS: Final = Decimal("0.01")


def opens(position: Position, side: OrderSide, quantity: Decimal) -> Decimal:
    """Return how much of `quantity` would open or add, rather than close."""
    held = position.quantity if side is OrderSide.SELL else -position.quantity
    return max(ZERO, quantity - max(ZERO, held))


def apply(
    position: Position, side: OrderSide, price: Decimal, quantity: Decimal, fee: Decimal
) -> tuple[Position, Decimal]:
    """Return the position after a fill, and what the fill has realised (before its fee).

    Needs exact arithmetic (`amounts.exact`). The loan is left as it is.
    """
    sign = 1 if side is OrderSide.BUY else -1
    opening = opens(position, side, quantity)
    closing = quantity - opening
    realized = closed_cost = ZERO
    if closing:
        whole = closing == abs(position.quantity)
        closed_cost = (
            position.cost if whole else share_down(position.cost * closing, abs(position.quantity))
        )
        realized = -sign * price * closing - closed_cost
    return structs.replace(
        position,
        quantity=position.quantity + sign * quantity,
        cost=position.cost - closed_cost + sign * price * opening,
        realized_pnl=position.realized_pnl + realized,
        fees=position.fees + fee,
        closes=position.closes + (1 if closing else 0),
        wins=position.wins + (1 if realized > 0 else 0),
    ), realized


def unrealized(position: Position, price: Decimal) -> Decimal:
    """Return what the position would earn if it were closed at `price`, without fees."""
    return position.quantity * price - position.cost


def average_price(position: Position) -> Decimal | None:
    """Return the cost of one unit, None if nothing is held."""
    return share_down(position.cost, position.quantity) if position.quantity else None


def win_rate(position: Position) -> Decimal | None:
    """Return the closing fills that earned something, in percent to two places; None without any."""
    if not position.closes:
        return None
    return share_down(position.wins * HUNDRED, Decimal(position.closes), _CENTS)
