"""The scalper: buys at its price, sells at its price, round and round."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry.core.trading.events import BotAction, Cancel
from openoutcry.core.trading.strategies import STRATEGIES, ParameterError, read
from openoutcry.trading import BotStatus, Order
from tradekit import BTC, D, account, act, bot_of, run, scalper, tape


def shown(orders: tuple[Order, ...]) -> list[str]:
    """Return orders as short texts."""
    return [f"{o.side} {o.quantity} at {o.price} {o.status}" for o in orders]


def test_a_round_buys_low_sells_high_and_begins_again() -> None:
    """The bid and the ask count, not the trade; each order answers the one before."""
    done = run(account(scalper()), tape("105", "99.95", "99.9", "110", "110.2", "105"))
    assert shown(done.orders) == [
        "BUY 1 at 100 FILLED",
        "SELL 1 at 110 FILLED",
        "BUY 1 at 100 PENDING",
    ]
    assert [(f.price, f.fee, f.realized_pnl) for f in done.fills] == [
        (D("99.9999"), D("0.0999999"), 0),
        (D("110.0898"), D("0.1100898"), D("10.0899")),
    ]
    assert [order.paired for order in done.orders] == [None, "oo-1-0", "oo-1-1"]
    assert done.account.bots[1].position.wins == 1


def test_without_infinite_loop_it_stops_after_a_round() -> None:
    """One round, then STOPPED, with a line in the log; started again, it does another."""
    start = account(scalper(infinite_loop=False))
    done = run(start, tape("99", "99", "111", "99"))
    assert done.account.bots[1].status is BotStatus.STOPPED
    assert done.logs[-1].message == "Stopped: The round is complete; infinite_loop is off."
    assert not done.account.orders
    again = run(done.account, act(BotAction.START), tape("99", "99", "111", first=9))
    assert [fill.side for fill in again.fills] == ["BUY", "SELL"]


def test_it_can_begin_by_selling() -> None:
    """`first_order` SELL sells what the account has, and buys it back lower: the gain is the same."""
    done = run(account(scalper(first_order="SELL"), btc="2"), tape("111", "111", "99", "105"))
    assert shown(done.orders)[:2] == ["SELL 1 at 110 FILLED", "BUY 1 at 100 FILLED"]
    assert done.fills[1].realized_pnl == D("110.889") - D("99.099")
    assert done.account.balances["BTC"].free == 1  # and the next one is on offer again
    assert done.account.balances["BTC"].locked == 1


def test_trailing_follows_the_price_and_never_makes_it_worse() -> None:
    """It waits at the price, follows it, orders at the turn; the order keeps its own limit."""
    start = account(scalper(trailing_percent="2", sell_price="101"))
    falling = run(start, tape("105", "99", "97", "95", "96"))
    assert not falling.orders
    assert falling.account.bots[1].memory == {"side": "BUY", "best": "95.095"}
    turned = run(falling.account, tape("97.1", "97.2", first=6))
    assert shown(turned.orders) == ["BUY 1 at 100 FILLED"]
    assert turned.fills[0].price == D("97.2972")
    rising = run(turned.account, tape("102", "108", "109", "106", "106", first=8))
    assert rising.fills[0].price == D("106") * D("0.999")


def test_a_stopped_bot_goes_on_where_it_was() -> None:
    """Stopped half way through buying, it buys the rest; what it holds is then sold whole."""
    half = run(account(scalper()), tape("99", ("99", "0.4")), act(BotAction.STOP, time=3))
    assert shown(half.orders) == ["BUY 1 at 100 CANCELLED"]
    assert half.orders[0].filled_quantity == D("0.4")
    assert half.account.balances["USDT"].locked == 0
    rest = run(half.account, act(BotAction.START), tape("99", "99", "105", first=4))
    assert shown(rest.orders) == ["BUY 0.6 at 100 FILLED", "SELL 1.0 at 110 PENDING"]


def test_an_edit_takes_effect_at_the_next_trade() -> None:
    """The open order goes, one with the new price comes; what is held is not bought twice."""
    holding = run(account(scalper()), tape("99", "99"))
    edit = act(BotAction.EDIT, time=5, parameters={"sell_price": "120"})
    done = run(holding.account, edit, tape("105", first=5))
    assert shown(done.orders) == ["SELL 1 at 110 CANCELLED", "SELL 1 at 120 PENDING"]
    assert done.orders[0].reason == "The bot was edited."


def test_a_cancel_by_hand_stops_the_bot() -> None:
    """Otherwise the next trade would bring the order back."""
    waiting = run(account(scalper()), tape("105"))
    done = run(waiting.account, Cancel("oo-1-0", 5), tape("105", "99", first=5))
    assert shown(done.orders) == ["BUY 1 at 100 CANCELLED"]
    assert done.account.bots[1].status is BotStatus.STOPPED
    assert done.account.balances["USDT"] == account().balances["USDT"]
    assert run(done.account, Cancel("oo-1-0", 9)).refused == ("There is no open order oo-1-0.",)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"sell_price": "100"}, "sell_price 100 must be above buy_price 100, or every round"),
        ({"quantity": "0.0001"}, "quantity 0.0001 must be a multiple of 0.001, the market's step."),
        ({"quantity": "-1"}, "quantity -1 must be above 0."),
        ({"trailing_percent": "50"}, "trailing_percent 50 must be above 0 and below 50 (percent)."),
        ({"buy_price": "cheap"}, "buy_price must be a decimal number such as 0.01, not cheap."),
        ({"buy_price": "1e99"}, "buy_price must be a number with at most 18 digits"),
        ({"buy_price": None}, "buy_price is missing."),
        ({"first_order": "UP"}, "first_order must be one of BUY, SELL, not UP."),
        ({"infinite_loop": "yes"}, "infinite_loop must be true or false, not yes."),
        ({"speed": 3}, "speed is not a parameter of this; the parameters are quantity, buy_price"),
    ],
)
def test_wrong_parameters_are_explained(parameters: dict[str, Any], complaint: str) -> None:
    """Each problem is a sentence that says what would be right."""
    bot = scalper(**parameters)
    done = run(account(), act(BotAction.CREATE, bot=bot))
    assert complaint in " ".join(done.refused)
    assert not done.account.bots


def test_every_problem_is_told_at_once() -> None:
    """Nobody has to send a form five times."""
    with pytest.raises(ParameterError) as caught:
        read(STRATEGIES["scalper"].parameters, {"quantity": [], "speed": 1})
    assert len(caught.value.problems) == 4
    problems = STRATEGIES["scalper"].check(
        read(
            STRATEGIES["scalper"].parameters,
            {"quantity": "0", "buy_price": "1", "sell_price": "0.001"},
        ),
        BTC,
    )
    assert len(problems) == 3


def test_a_bot_needs_a_known_market_strategy_and_exchange() -> None:
    """What is wrong around the parameters is told with them."""
    bot = bot_of(3, "magic", symbol="XYZ", exchange="binance", leverage="99")
    told = " ".join(run(account(), act(BotAction.CREATE, 3, bot=bot)).refused)
    assert "exchange must be paper: live trading is off here." in told
    assert "leverage must be between 1 and 10, not 99." in told
    assert "ticker XYZ is not recorded here; tickers are BTCUSDT, ETHUSDT." in told
    assert "strategy must be one of scalper, grid, dca, dip, momentum, not magic." in told
