"""A live exchange's news of an order, taken into the account."""

from __future__ import annotations

from msgspec import structs

from openoutcry.core.trading import orders, positions
from openoutcry.core.trading.amounts import share_down
from openoutcry.core.trading.events import Report, ReportStatus
from openoutcry.core.trading.orders import OrderEvent
from openoutcry.core.trading.strategies.base import Tick
from openoutcry.core.trading.work import Work
from openoutcry.trading import ZERO, BotStatus, Fill, LogLevel, Order, OrderStatus


def take(work: Work, report: Report) -> Tick | None:
    """Take a report in; return a tick to decide at if it has told something, else None.

    A report tells sums, so one that is told twice changes nothing; one that tells less than an
    earlier one is late, and its sums are left alone. Live fills change no paper balance.
    """
    order = work.orders.get(report.client_order_id)
    if order is None:
        return None
    if report.exchange_order_id and report.exchange_order_id != order.exchange_order_id:
        order = structs.replace(
            order, exchange_order_id=report.exchange_order_id, updated_at=report.time
        )
        work.put_order(order)
    told = _fill(work, order, report)
    order = work.orders.get(report.client_order_id, order)
    if report.client_order_id in work.orders and report.status is not ReportStatus.OPEN:
        told = True
        _end(work, order, report)
    return _tick(work, order, report) if told else None


def _fill(work: Work, order: Order, report: Report) -> bool:
    quantity = min(report.quantity, order.quantity) - order.filled_quantity
    if quantity <= 0:
        return False
    bot = work.bots[order.bot_id]
    price = share_down(max(ZERO, report.quote - order.filled_quote), quantity)
    fee = max(ZERO, report.fee - order.fee)
    position, realized = positions.apply(bot.position, order.side, price, quantity, fee)
    fill = Fill(
        client_order_id=order.client_order_id,
        execution_id=report.execution_id or f"{report.quantity:f}",
        bot_id=bot.id,
        symbol=order.symbol,
        side=order.side,
        price=price,
        quantity=quantity,
        fee=fee,
        realized_pnl=realized,
        time=report.time,
    )
    after = orders.fill(order, price, quantity, fee=fee, reserved=ZERO, time=report.time)
    work.book(structs.replace(bot, position=position), after, fill)
    return True


def _end(work: Work, order: Order, report: Report) -> None:
    """The order is over at the exchange before it was filled whole."""
    reason = report.reason or f"The exchange says that the order is {report.status.value}."
    rejected = report.status is ReportStatus.REJECTED and order.status is OrderStatus.PENDING
    work.drop(order, reason, report.time, OrderEvent.FAIL if rejected else OrderEvent.CANCEL)
    bot = work.bots[order.bot_id]
    if bot.status is BotStatus.ACTIVE:
        # Whoever ended it did so for a reason: placing the same order again at once would be wrong.
        status = BotStatus.ERROR if rejected else BotStatus.STOPPED
        work.stop(bot.id, status, reason, report.time)
        level = LogLevel.ERROR if rejected else LogLevel.WARNING
        work.log(bot.id, level, f"Stopped: {reason}", report.time)


def _tick(work: Work, order: Order, report: Report) -> Tick:
    last = work.context.last.get(order.symbol)
    price = order.price or order.filled_quote if last is None else last.price
    margin = price * work.context.spread
    return Tick(0, price, ZERO, price - margin, price + margin, report.time)
