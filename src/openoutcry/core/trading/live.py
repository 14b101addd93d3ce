"""What a live exchange says of our orders, and the reports that this makes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openoutcry.core.intervals import MINUTE
from openoutcry.core.trading.amounts import exact
from openoutcry.core.trading.events import Report, ReportStatus
from openoutcry.trading import ZERO, Order, OrderSide

_EPOCH: Final = 8
_EARLIER: Final = MINUTE
"""An order cannot have reached an exchange before it was decided, but clocks differ."""


class Standing(Struct, frozen=True):
    """How an order stands at the exchange. `filled` in base units; `time` is when it came there, µs."""

    exchange_order_id: str
    status: ReportStatus
    side: OrderSide
    quantity: Decimal
    filled: Decimal
    time: int


class Execution(Struct, frozen=True):
    """A part of an order that was traded there; `fee` in quote units, `time` in µs."""

    id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    time: int


def venue_id(client_order_id: str, epoch: str) -> str:
    """Return what an order is called at the exchange: our name for it, and which installation's.

    Bots count from 1 in every database; at one exchange their orders must not be taken for another's.
    At most 36 letters, digits and hyphens.
    """
    return client_order_id.replace("oo-", f"oo{epoch[:_EPOCH]}-", 1)


def is_ours(order: Order, standing: Standing) -> bool:
    """Return whether what the exchange has under our id can be this order.

    It cannot after a database was brought back to an earlier day: ids are given a second time then.
    """
    return (
        standing.side is order.side
        and standing.quantity == order.quantity
        and standing.time >= order.created_at - _EARLIER
    )


def reports_of(
    order: Order, standing: Standing, executions: Sequence[Execution], now: int
) -> list[Report]:
    """Return what is new of an order: a report for each execution, and its end if it has come.

    `executions` are all of the order's, in any order. Where they are fewer than the exchange says was
    filled, the end is not told yet: they come later.
    """
    quantity = quote = fee = ZERO
    reports = []
    with exact():
        for one in sorted(executions, key=_in_turn):
            quantity += one.quantity
            quote += one.price * one.quantity
            fee += one.fee
            if quantity > order.filled_quantity:
                reports.append(
                    Report(
                        order.client_order_id,
                        ReportStatus.OPEN,
                        one.time,
                        quantity=quantity,
                        quote=quote,
                        fee=fee,
                        execution_id=one.id,
                        exchange_order_id=standing.exchange_order_id,
                    )
                )
    over = standing.status is not ReportStatus.OPEN and quantity == standing.filled
    if over and quantity < order.quantity:
        reports.append(
            Report(
                order.client_order_id,
                standing.status,
                now,
                quantity=quantity,
                quote=quote,
                fee=fee,
                exchange_order_id=standing.exchange_order_id,
                reason=order.withdrawn,
            )
        )
    if not reports and standing.exchange_order_id != order.exchange_order_id:
        reports.append(
            Report(
                order.client_order_id,
                ReportStatus.OPEN,
                now,
                exchange_order_id=standing.exchange_order_id,
            )
        )
    return reports


def _in_turn(one: Execution) -> tuple[int, int, str]:
    return (one.time, int(one.id) if one.id.isdecimal() else 0, one.id)
