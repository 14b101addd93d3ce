"""The life of an order: one table, and every transition that is not in it is refused."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from msgspec import structs

from openoutcry.errors import OutcryError
from openoutcry.trading import OPEN, ZERO, Order, OrderStatus


class OrderEvent(Enum):
    """What can happen to an order."""

    FILL_PART = auto()
    FILL_REST = auto()
    CANCEL = auto()
    FAIL = auto()


TRANSITIONS: Final = {
    (OrderStatus.PENDING, OrderEvent.FILL_PART): OrderStatus.PARTIALLY_FILLED,
    (OrderStatus.PENDING, OrderEvent.FILL_REST): OrderStatus.FILLED,
    (OrderStatus.PENDING, OrderEvent.CANCEL): OrderStatus.CANCELLED,
    (OrderStatus.PENDING, OrderEvent.FAIL): OrderStatus.FAILED,
    (OrderStatus.PARTIALLY_FILLED, OrderEvent.FILL_PART): OrderStatus.PARTIALLY_FILLED,
    (OrderStatus.PARTIALLY_FILLED, OrderEvent.FILL_REST): OrderStatus.FILLED,
    (OrderStatus.PARTIALLY_FILLED, OrderEvent.CANCEL): OrderStatus.CANCELLED,
}
"""Every transition there is. FAILED: it never traded, and never will."""


class TransitionError(OutcryError):
    """An order cannot go where it was told to; a bug, or an exchange that contradicts itself."""


def move(order: Order, event: OrderEvent, time: int, reason: str | None = None) -> Order:
    """Return the order after `event`; one that is over holds nothing back. Raises TransitionError."""
    status = TRANSITIONS.get((order.status, event))
    if status is None:
        raise TransitionError(
            f"order {order.client_order_id} is {order.status} and cannot {event.name.lower()}"
        )
    return structs.replace(
        order,
        status=status,
        updated_at=time,
        reason=reason or order.reason,
        reserved=order.reserved if status in OPEN else ZERO,
    )


def fill(
    order: Order, price: Decimal, quantity: Decimal, *, fee: Decimal, reserved: Decimal, time: int
) -> Order:
    """Return the order after an execution, holding back `reserved` from now on.

    Raises TransitionError where it is over, or where `quantity` is not within what remains.
    """
    if not ZERO < quantity <= order.remaining:
        raise TransitionError(
            f"order {order.client_order_id} has {order.remaining} left and cannot fill {quantity}"
        )
    whole = quantity == order.remaining
    moved = move(order, OrderEvent.FILL_REST if whole else OrderEvent.FILL_PART, time)
    return structs.replace(
        moved,
        filled_quantity=order.filled_quantity + quantity,
        filled_quote=order.filled_quote + price * quantity,
        fee=order.fee + fee,
        reserved=ZERO if whole else reserved,
    )


def order_id(bot_id: int, number: int) -> str:
    """Return the client order id of a bot's order: the same whenever the decision is repeated."""
    return f"oo-{bot_id}-{number}"


def _number(order: Order) -> int:
    return int(order.client_order_id.rpartition("-")[2])


def in_turn(orders: Iterable[Order]) -> list[Order]:
    """Return orders as they were made: by time, then by bot, then by their number."""
    return sorted(orders, key=lambda order: (order.created_at, order.bot_id, _number(order)))
