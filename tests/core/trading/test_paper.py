"""The paper exchange, risk and the life of an order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from openoutcry.core.trading import orders
from openoutcry.core.trading.amounts import exact, share_down, share_up
from openoutcry.core.trading.bands import Band, Scale
from openoutcry.core.trading.events import BotAction, Fund, KillSwitch, LastTrade
from openoutcry.core.trading.orders import TRANSITIONS, OrderEvent, TransitionError, move
from openoutcry.trading import Bot, BotStatus, Limits, Order, OrderKind, OrderSide, OrderStatus
from tradekit import CONTEXT, SECOND, D, account, act, bot_of, one_by_one, run, scalper, tape

ORDER = Order("oo-1-0", 1, "BTCUSDT", OrderSide.BUY, OrderKind.LIMIT, D(1), D(100), 0, 0,
              reserved=D(100))  # fmt: skip


def test_only_the_table_s_transitions_exist() -> None:
    """What is over stays over; what has traded cannot fail; everything else is refused."""
    for status in OrderStatus:
        for event in OrderEvent:
            order = structs.replace(ORDER, status=status)
            if (status, event) in TRANSITIONS:
                moved = move(order, event, 9, "why")
                assert moved.status is TRANSITIONS[status, event]
                assert moved.is_open or not moved.reserved
            else:
                with pytest.raises(TransitionError):
                    move(order, event, 9)
    over = {s for s in OrderStatus if not any(start is s for start, _ in TRANSITIONS)}
    assert over == {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.FAILED}


def test_an_order_never_fills_more_than_it_is() -> None:
    """A fill beyond what remains is refused, not cut."""
    with pytest.raises(TransitionError):
        orders.fill(ORDER, D(100), D("1.001"), fee=D(0), reserved=D(0), time=1)


def test_a_trade_s_size_is_shared_by_the_account() -> None:
    """Two bots want 1 each of a trade of 1.5: the older order gets its 1, the other 0.5 and waits."""
    done = run(account(scalper(1), scalper(2)), tape("105", ("99", "1.5")))
    assert [(f.bot_id, f.quantity) for f in done.fills] == [(1, 1), (2, D("0.5"))]
    waiting = done.account.orders["oo-2-0"]
    assert waiting.status is OrderStatus.PARTIALLY_FILLED
    assert waiting.reserved == D("0.5") * 100 * D("1.001")
    rest = run(done.account, tape(("99", "0.2"), ("99", "9"), first=3))
    assert [f.quantity for f in rest.fills] == [D("0.2"), D("0.3")]


def test_an_order_fills_from_the_trade_after_the_one_that_caused_it() -> None:
    """The trade that woke the bot is gone by the time its order is there."""
    assert not run(account(scalper()), tape("99")).fills
    assert run(account(scalper()), tape("99", "99")).fills[0].execution_id == "2"


def test_money_is_held_back_to_the_last_digit() -> None:
    """A buy reserves its price and the fee; a better fill gives the rest back."""
    waiting = run(account(scalper()), tape("105")).account.balances["USDT"]
    assert (waiting.free, waiting.locked) == (D("9899.9"), D("100.1"))
    filled = run(account(scalper()), tape("105", "90")).account.balances["USDT"]
    assert filled.free == 10_000 - D("90.09") * D("1.001")
    assert filled.locked == 0


def test_a_refusal_says_why_and_is_tried_again() -> None:
    """Once in the log, then every 30 seconds in silence, until there is money."""
    poor = account(scalper(), usdt="50")
    done = run(poor, tape(*["105"] * 50))
    assert len(done.logs) == 1
    assert done.logs[0].message == (
        "BUY 1 BTC at 100 was not ordered: it needs 100.1 USDT, and 50 USDT are free. "
        "It is tried again every 30 seconds."
    )
    rich = run(done.account, Fund("USDT", D(100), 0), tape(*["105"] * 40, first=51))
    assert [order.client_order_id for order in rich.orders] == ["oo-1-0"]
    assert rich.orders[0].created_at == 61 * SECOND


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(max_order=D(99)), "it is worth 100 USDT, more than max_order 99"),
        (Limits(max_position=D(99)), "the position could grow to 100 USDT, more than max_position"),
        (Limits(price_band=D(1)), "its price 100 is more than 1 % from the last trade at 105"),
    ],
)
def test_limits_refuse_with_their_name(limits: Limits, why: str) -> None:
    """A trader reads which limit it was, and by how much."""
    done = run(account(scalper_with(limits)), tape("105"))
    assert not done.orders
    assert why in done.logs[0].message


def scalper_with(limits: Limits) -> Bot:
    return structs.replace(scalper(), limits=limits)


def test_a_bot_s_position_is_not_another_s_to_sell() -> None:
    """What one bot has bought is not free for a bot that begins by selling."""
    held = run(account(scalper(1)), tape("105", "99", "105"), act(BotAction.STOP, time=4))
    seller = scalper(2, first_order="SELL", buy_price="90")
    done = run(held.account, act(BotAction.CREATE, 2, bot=seller), tape("105", first=5))
    assert "needs 1 BTC, and 0 BTC are free (1 more belong to other bots" in done.logs[-1].message
    assert run(held.account, Fund("BTC", D(-1), 0)).refused == ("Only 0 BTC can be taken out.",)


def test_leverage_borrows_and_is_closed_by_force() -> None:
    """Five times the money; the loan is repaid by the sale that the falling price forces."""
    bot = structs.replace(scalper(quantity="10"), leverage=D(5))
    bought = run(account(bot, usdt="300"), tape("99.9", ("99.9", "50")))
    position = bought.account.bots[1].position
    assert position.loan == position.cost * 4 / 5
    safe = run(bought.account, tape("81", "81", first=3))
    assert not safe.fills
    closed = run(safe.account, tape("80.4", ("80.4", "50"), first=5))
    assert closed.account.bots[1].status is BotStatus.ERROR
    assert closed.account.bots[1].position.loan == 0
    assert closed.account.bots[1].position.quantity == 0
    assert [log.level for log in closed.logs] == ["ERROR", "INFO"]
    assert closed.orders[-1].reason is not None
    assert "Forced close" in closed.orders[-1].reason


def test_a_forced_close_that_comes_too_late_leaves_a_debt() -> None:
    """The price fell through: the loan is repaid as far as it goes, the balance stays at 0 or more."""
    bot = structs.replace(scalper(quantity="10"), leverage=D(5))
    bought = run(account(bot, usdt="300"), tape("99.9", ("99.9", "50")))
    late = run(bought.account, tape("70", ("60", "50"), first=3))
    owed = late.account.bots[1].position.loan
    assert owed > 0
    refused = run(late.account, act(BotAction.DELETE)).refused
    assert "The bot owes" in refused[0]
    again = run(late.account, act(BotAction.START), tape("99", "99", first=5))
    assert "still owes" in again.logs[-1].message


def test_a_leveraged_order_pays_with_what_it_has_reserved() -> None:
    """Its thirds do not come out even; in parts, at its own price, the last digit still fits."""
    bot = structs.replace(scalper(quantity="0.1"), leverage=D(3))
    no_spread = structs.replace(CONTEXT, spread=D(0))
    need = share_up(D(10), D(3)) + D("0.01")
    parts = tape("100", ("100", "0.01"), ("100", "0.01"), ("100", "0.08"))
    done = run(account(bot, usdt=f"{need:f}"), parts, context=no_spread)
    assert [f.quantity for f in done.fills] == [D("0.01"), D("0.01"), D("0.08")]
    assert done.account.balances["USDT"].free >= 0
    assert done.account.balances["USDT"].locked == 0
    short = run(account(bot, usdt=f"{need - D('1E-12'):f}"), tape("100"), context=no_spread)
    assert not short.orders


def test_a_loan_is_repaid_after_the_fee() -> None:
    """With nothing else in the account, the fee of a sale that does not cover the loan is paid."""
    bot = structs.replace(scalper(quantity="1"), leverage=D(5))
    money = D(20) + D("0.1")
    no_spread = structs.replace(CONTEXT, spread=D(0))
    done = run(account(bot, usdt=f"{money:f}"), tape("100", "100", "70", "70"), context=no_spread)
    assert done.account.balances["USDT"].free == 0
    assert done.account.bots[1].position.loan == 80 - (70 - D("0.07"))


def test_a_bot_that_stops_within_a_batch_has_seen_it_so_far() -> None:
    """The trade that ended it is the last that it has seen, in whatever batches the tape comes."""
    trades = tape("99", "99", "111", "105", "105")
    whole = run(account(scalper(infinite_loop=False)), trades)
    assert whole.account.bots[1].seen == 3
    each = run(account(scalper(infinite_loop=False)), *one_by_one(trades))
    assert each.account == whole.account


def test_a_market_order_that_cannot_pay_is_cancelled() -> None:
    """The price jumped by more than what is held back for that: no debt, no negative balance."""
    bot = bot_of(strategy="dca", amount="100", every="1h")
    done = run(account(bot, usdt="101.5"), tape("100", "150"))
    assert [o.status for o in done.orders] == [OrderStatus.CANCELLED]
    assert done.orders[0].reason == (
        "The price moved, and the free balance no longer covers the order."
    )
    assert done.account.balances["USDT"].free == D("101.5")


def test_the_kill_switch_stops_everything_at_once() -> None:
    """All bots, all orders; nothing starts until it is off."""
    busy = run(account(scalper(1), scalper(2)), tape("105"))
    off = run(busy.account, KillSwitch(on=True, time=5))
    assert {bot.status for bot in off.account.bots.values()} == {BotStatus.STOPPED}
    assert not off.account.orders
    assert off.kill_switch
    assert "2 bots stopped, 2 orders cancelled" in off.logs[-1].message
    assert "kill switch is on" in run(off.account, act(BotAction.START)).refused[0]
    on = run(off.account, KillSwitch(on=False, time=6), act(BotAction.START), tape("105", first=5))
    assert len(on.orders) == 1


def test_a_position_can_be_closed_by_hand() -> None:
    """CLOSE stops the bot and sells at the market, whatever its limits say."""
    held = run(account(scalper_with(Limits(max_order=D(110)))), tape("99", "99"))
    done = run(held.account, act(BotAction.CLOSE, time=3), tape("400", first=3))
    assert [(f.side, f.price) for f in done.fills] == [("SELL", D("399.6"))]
    assert done.account.bots[1].status is BotStatus.STOPPED
    assert not done.account.bots[1].position.quantity
    refused = run(done.account, act(BotAction.CLOSE)).refused
    assert refused == ("The bot holds nothing that could be closed.",)


def test_deleting_gives_the_money_back() -> None:
    """The open order is cancelled with its reason; the bot is told as gone, once."""
    waiting = run(account(scalper()), tape("105"))
    gone = run(waiting.account, act(BotAction.DELETE))
    assert gone.deleted == (1,)
    assert not gone.bots
    assert gone.orders[0].reason == "The bot was deleted."
    assert gone.account.balances["USDT"].free == 10_000
    assert run(gone.account, act(BotAction.STOP)).refused == ("There is no bot 1.",)


def test_a_start_takes_the_tape_from_the_newest_trade() -> None:
    """A bot that is started is not shown trades from before, however the tape is told again."""
    stopped = structs.replace(scalper(), status=BotStatus.STOPPED)

    at_two = structs.replace(CONTEXT, last={"BTCUSDT": LastTrade(2, D(105))})
    started = run(account(stopped), act(BotAction.START), context=at_two)
    done = run(started.account, tape("99", "99", "105"))
    assert done.orders[0].created_at == 3 * SECOND
    assert not done.fills


@given(
    st.decimals(min_value=0, max_value=10**6, places=6),
    st.decimals(min_value="0.000001", max_value=10**6, places=6),
)
def test_shares_are_rounded_the_way_they_say(amount: Decimal, divisor: Decimal) -> None:
    """Down is at most, up is at least, and both are within 1e-12."""
    with exact():
        low, high = share_down(amount, divisor), share_up(amount, divisor)
        assert low * divisor <= amount <= high * divisor
        assert high - low <= D("1E-12")


@given(
    st.integers(100, 10**7),
    st.integers(-2, 2),
    st.sampled_from(["0", "1E-9", "-1E-9", "0.003"]),
    st.sampled_from([-1, 0, 1]),
    st.sampled_from(["0", "0.001", "0.0123"]),
)
def test_scaled_bounds_are_exact(
    scaled: int, ticks: int, more: str, side: int, spread: str
) -> None:
    """Whether a trade price is within a band is the same in integers as in decimals, at its edges."""
    scale = Scale(2, D(spread))
    with exact():
        limit = Decimal(scaled + ticks) / 100 * (1 + side * D(spread)) + D(more)
    with exact():
        price = Decimal(scaled) / 100
        ask, bid = price * (1 + D(spread)), price * (1 - D(spread))

    def outside(band: Band) -> bool:
        quiet = scale.quiet(band)
        return not quiet.low <= scaled <= quiet.high

    assert outside(Band(ask_at_most=limit)) == (ask <= limit)
    assert outside(Band(ask_below=limit)) == (ask < limit)
    assert outside(Band(ask_at_least=limit)) == (ask >= limit)
    assert outside(Band(bid_at_most=limit)) == (bid <= limit)
    assert outside(Band(bid_above=limit)) == (bid > limit)
    assert outside(Band(bid_at_least=limit)) == (bid >= limit)
