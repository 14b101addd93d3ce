"""Bots on a live exchange: requests out, reports in; the paper balances are left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from openoutcry.core.trading.events import (
    BotAction,
    CancelOrder,
    LastTrade,
    PlaceOrder,
    Report,
    ReportStatus,
)
from openoutcry.core.trading.live import Execution, Standing, is_ours, reports_of, venue_id
from openoutcry.trading import BotStatus, Fill, OrderSide, OrderStatus
from tradekit import CONTEXT, D, account, act, in_parts, run, scalper, tape

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


def test_an_edited_bot_goes_on_with_a_new_order() -> None:
    """That its order is to be withdrawn is stored with the order; its end does not stop the bot."""
    asked = run(START, tape("105"), context=LIVE)
    edited = run(
        asked.account, act(BotAction.EDIT, time=4, parameters={"buy_price": "99"}), context=LIVE
    )
    assert edited.account.orders["oo-1-0"].withdrawn == "The bot was edited."
    assert edited.must_be_stored
    again = run(edited.account, act(BotAction.STOP, time=4), context=LIVE)
    assert not again.requests, "it is asked for once"
    done = run(edited.account, report("cancelled"), tape("105", first=2), context=LIVE)
    assert [o.status for o in done.orders] == [OrderStatus.CANCELLED, OrderStatus.PENDING]
    assert done.orders[0].reason == "The bot was edited."
    assert done.orders[1].price == D(99)
    assert done.account.bots[1].status is BotStatus.ACTIVE


def test_an_exchange_that_cancels_by_itself_stops_the_bot() -> None:
    """Placing the same order again at once would be wrong."""
    asked = run(START, tape("105"), context=LIVE)
    done = run(asked.account, report("cancelled", reason="by the exchange"), context=LIVE)
    assert done.account.bots[1].status is BotStatus.STOPPED


def test_old_trades_are_seen_and_not_acted_upon() -> None:
    """A restart reads what it has missed, and decides at prices of now alone; paper decides at all."""
    stale = structs.replace(LIVE, stale_before=3_000_000)
    both = account(scalper(1, exchange="binance"), scalper(2))
    old = run(both, tape("105", "104"), context=stale)
    assert {order.bot_id for order in old.orders} == {2}
    assert [bot.seen for bot in old.account.bots.values()] == [2, 2]
    new = run(old.account, tape("105", first=3), context=stale)
    assert [order.created_at for order in new.orders] == [3_000_000]
    assert len(new.requests) == 1


@given(st.sets(st.integers(1, 11)), st.integers(0, 13))
def test_old_trades_are_the_same_in_whatever_parts(cuts: set[int], stale: int) -> None:
    """Where batches are cut does not change what is too old."""
    context = structs.replace(LIVE, stale_before=stale * 1_000_000)
    trades = tape(*(["105", "99", "111"] * 4))
    both = account(scalper(1, exchange="binance"), scalper(2))
    assert run(both, trades, context=context) == run(both, *in_parts(trades, cuts), context=context)


def test_where_live_trading_is_off_live_bots_rest() -> None:
    """One that was at work when it was switched off sends nothing more."""
    off = structs.replace(LIVE, live=False)
    quiet = run(START, tape("105", "90"), context=off)
    assert not quiet.orders
    assert quiet.account.bots[1].seen == 2


def standing(status: str, filled: str = "0", **more: object) -> Standing:
    """Return how an order for 1 stands."""
    values = {"side": OrderSide.BUY, "quantity": D(1), "time": 60_000_000, **more}
    return Standing("X7", ReportStatus(status), filled=D(filled), **values)  # type: ignore[arg-type]


def part(number: int, quantity: str, price: str, fee: str = "0.1") -> Execution:
    return Execution(str(number), D(price), D(quantity), D(fee), number)


PARTS = [part(9, "0.25", "99"), part(10, "0.5", "98"), part(11, "0.25", "97.5")]


@given(st.permutations(PARTS), st.integers(0, 3), st.integers(0, 3))
def test_each_execution_becomes_one_fill(order: list[Execution], first: int, second: int) -> None:
    """In whatever order they are told, however many at first, and however often: three exact fills."""
    one = run(START, tape("105"), context=LIVE)
    pending = one.account.orders["oo-1-0"]
    fills: list[Fill] = []
    now = one.account
    for known in (sorted(order, key=lambda each: int(each.id))[: min(first, second)], order, order):
        current = now.orders.get("oo-1-0", pending)
        filled = sum((each.quantity for each in known), D(0))
        told = standing("closed" if filled == 1 else "open", str(filled))
        done = run(now, *reports_of(current, told, known, 99), context=LIVE)
        fills += done.fills
        now = done.account
    assert [(f.execution_id, f.price, f.quantity, f.fee) for f in fills] == [
        (each.id, each.price, each.quantity, each.fee) for each in PARTS
    ]
    assert "oo-1-0" not in now.orders


def test_the_end_waits_for_executions_that_are_missing() -> None:
    """The order says cancelled after 0.75, the list of executions knows 0.25 so far."""
    order = run(START, tape("105"), context=LIVE).orders[0]
    early = reports_of(order, standing("cancelled", "0.75"), PARTS[:1], 99)
    assert [(r.status.value, r.quantity) for r in early] == [("open", D("0.25"))]
    whole = reports_of(order, standing("cancelled", "0.75"), PARTS[:2], 99)
    assert [(r.status.value, r.quantity) for r in whole] == [
        ("open", D("0.25")),
        ("open", D("0.75")),
        ("cancelled", D("0.75")),
    ]


def test_an_order_that_rests_is_acknowledged_once() -> None:
    """Its number at the exchange is news; the second time there is none."""
    order = run(START, tape("105"), context=LIVE).orders[0]
    (known,) = reports_of(order, standing("open"), [], 99)
    assert (known.exchange_order_id, known.status) == ("X7", ReportStatus.OPEN)
    order = structs.replace(order, exchange_order_id="X7")
    assert reports_of(order, standing("open"), [], 99) == []


def test_orders_of_others_are_not_taken_for_ours() -> None:
    """Another installation has other ids; another side, size or time is another order."""
    assert venue_id("oo-12-345", "abcdef0123456789") == "ooabcdef01-12-345"
    assert len(venue_id("oo-2147483647-2147483647", "abcdef0123456789")) <= 36
    order = structs.replace(run(START, tape("105"), context=LIVE).orders[0], created_at=200_000_000)
    assert is_ours(order, standing("open", time=199_000_000))
    assert not is_ours(order, standing("open", time=100_000_000))
    assert not is_ours(order, standing("open", time=200_000_000, side=OrderSide.SELL))
    assert not is_ours(order, standing("open", time=200_000_000, quantity=D(2)))
