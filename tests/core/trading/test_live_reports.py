"""Bots on a live exchange: requests out, reports in; the paper balances are left alone."""

from __future__ import annotations

from msgspec import structs

from openoutcry.core.trading.events import (
    BotAction,
    CancelOrder,
    LastTrade,
    PlaceOrder,
    Report,
    ReportStatus,
)
from openoutcry.trading import BotStatus, OrderStatus
from tradekit import CONTEXT, D, account, act, run, scalper, tape

LIVE = structs.replace(CONTEXT, live=True, last={"BTCUSDT": LastTrade(9, D(105))})
START = account(scalper(exchange="binance"), usdt="0")


def report(status: str = "open", order: str = "oo-1-0", **more: object) -> Report:
    """Return an exchange's news."""
    values = {name: D(str(more.pop(name))) for name in ("quantity", "quote", "fee") if name in more}
    return Report(order, ReportStatus(status), 5, **values, **more)  # type: ignore[arg-type]


def test_an_order_is_a_request_and_waits_for_reports() -> None:
    """The tape fills nothing; no paper money is asked for; the order is there before it is sent."""
    asked = run(START, tape("105", "90", "80"), context=LIVE)
    assert [type(request) for request in asked.requests] == [PlaceOrder]
    assert asked.requests[0].order == asked.orders[0]
    assert asked.orders[0].status is OrderStatus.PENDING
    assert not asked.fills
    assert not asked.balances


def test_reports_tell_sums_and_count_once() -> None:
    """A part, the same part again, then the rest: two fills, and the answer to them is requested."""
    asked = run(START, tape("105"), context=LIVE)
    part = report(quantity="0.4", quote="39.6", fee="0.04", exchange_order_id="X7")
    done = run(asked.account, part, part, context=LIVE)
    assert [(f.quantity, f.price, f.fee) for f in done.fills] == [(D("0.4"), D(99), D("0.04"))]
    assert done.orders[0].exchange_order_id == "X7"
    rest = report("closed", quantity="1", quote="99.6", fee="0.1", exchange_order_id="X7")
    whole = run(done.account, rest, rest, context=LIVE)
    assert [(f.quantity, f.price) for f in whole.fills] == [(D("0.6"), D(100))]
    assert [o.status for o in whole.orders] == [OrderStatus.FILLED, OrderStatus.PENDING]
    assert whole.requests[0].order.paired == "oo-1-0"
    assert whole.account.bots[1].position.cost == D("99.6")
    assert not whole.balances


def test_stopping_asks_the_exchange_to_cancel_and_waits() -> None:
    """The order stays open until the exchange says so; what filled meanwhile still counts."""
    asked = run(START, tape("105"), context=LIVE)
    stopped = run(asked.account, act(BotAction.STOP, time=4), context=LIVE)
    assert [type(request) for request in stopped.requests] == [CancelOrder]
    assert stopped.account.orders
    again = run(stopped.account, act(BotAction.START, time=4), context=LIVE)
    assert "last order is not over yet" in again.refused[0]
    late = report("cancelled", quantity="0.1", quote="10", reason="by request")
    done = run(stopped.account, late, context=LIVE)
    assert done.orders[0].status is OrderStatus.CANCELLED
    assert done.orders[0].filled_quantity == D("0.1")
    assert not done.account.orders


def test_a_rejected_order_ends_in_error() -> None:
    """The exchange's reason is the bot's last log line, and the order has FAILED."""
    asked = run(START, tape("105"), context=LIVE)
    done = run(asked.account, report("rejected", reason="insufficient margin"), context=LIVE)
    assert done.orders[0].status is OrderStatus.FAILED
    assert done.account.bots[1].status is BotStatus.ERROR
    assert done.logs[-1].message == "Stopped: insufficient margin"


def test_news_of_an_order_that_is_over_changes_nothing() -> None:
    """Exchanges tell things late and twice."""
    asked = run(START, tape("105"), context=LIVE)
    done = run(asked.account, report("rejected", reason="no"), context=LIVE)
    again = run(done.account, report("closed", quantity="1", quote="100"), context=LIVE)
    assert again.account == done.account
    assert not again.must_be_stored
