"""Grid, DCA, dip and momentum: each does what its page says."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry.core.trading.events import BotAction
from openoutcry.core.trading.strategies import STRATEGIES
from openoutcry.core.trading.strategies.reading import describe, read, to_json
from openoutcry.trading import BotStatus, OrderKind, OrderSide
from tradekit import SECOND, D, account, act, bot_of, run, tape

MINUTE = 60 * SECOND


def test_a_grid_buys_down_and_sells_up() -> None:
    """Each level buys once, sells one level higher, and buys again."""
    bot = bot_of(strategy="grid", lower="90", upper="110", levels=5, quantity="1")
    start = run(account(bot), tape("102.5"))
    assert [o.price for o in start.orders] == [90, 95, 100]
    down = run(start.account, tape("94", "94", first=2))
    assert [(f.side, f.price) for f in down.fills] == [("BUY", D("94.094")), ("BUY", D("94.094"))]
    sells = [o for o in down.account.orders.values() if o.side is OrderSide.SELL]
    assert [(o.price, o.paired) for o in sells] == [(D(100), "oo-1-1"), (D(105), "oo-1-2")]
    up = run(down.account, tape("100.5", "100.5", first=4))
    assert [(f.side, f.price) for f in up.fills] == [("SELL", D("100.3995"))]
    resting = sorted(f"{o.side} {o.price}" for o in up.account.orders.values())
    assert resting == ["BUY 90.00", "BUY 95.00", "SELL 105.00"]
    higher = run(up.account, tape("106", "106", "108", first=6))
    assert sorted(o.price or 0 for o in higher.account.orders.values()) == [90, 95, 100, 105]


def test_a_grid_adds_levels_as_the_price_rises_above_them() -> None:
    """What is above the price when it starts is not bought on the way up, but waits below it then."""
    bot = bot_of(strategy="grid", lower="90", upper="110", levels=5, quantity="1")
    low = run(account(bot), tape("92"))
    assert [o.price for o in low.orders] == [90]
    higher = run(low.account, tape("94", "96", "99", first=2))
    assert [o.price for o in higher.orders] == [95]
    assert not higher.fills


def test_a_grid_offers_what_it_already_holds() -> None:
    """Stopped and started, it does not forget its purchases: they go to the highest levels."""
    bot = bot_of(strategy="grid", lower="90", upper="110", levels=5, quantity="1")
    held = run(account(bot), tape("102.5", "94", "94"), act(BotAction.STOP, time=4))
    assert held.account.bots[1].position.quantity == 2
    again = run(held.account, act(BotAction.START), tape("94", first=5))
    sells = [o.price for o in again.account.orders.values() if o.side is OrderSide.SELL]
    assert sells == [105, 110]


def test_dca_buys_at_once_and_then_at_every_interval() -> None:
    """One purchase a minute, at the market, for the amount; the third trade of a minute buys none."""
    bot = bot_of(strategy="dca", amount="100", every="1m", max_buys=3)
    done = run(account(bot), tape("100", "100", "100", step=15 * SECOND))
    assert len(done.orders) == 1
    assert done.orders[0].kind is OrderKind.MARKET
    assert done.orders[0].quantity == D("0.999")
    rest = run(done.account, tape("50", "50", "50", "50", "50", first=4, step=MINUTE))
    assert [o.quantity for o in rest.orders] == [D("1.998"), D("1.998")]
    assert rest.account.bots[1].status is BotStatus.STOPPED
    assert rest.logs[-1].message == "Stopped: All 3 purchases are made."


def test_dca_takes_its_profit_and_starts_anew() -> None:
    """Everything is sold when it is worth 10 % more than it cost; then the count is at 0 again."""
    bot = bot_of(strategy="dca", amount="100", every="1h", take_profit_percent="10", max_buys=1)
    done = run(account(bot), tape("100", "100", "110", "110.3", "110.4"))
    assert [(f.side, f.quantity) for f in done.fills] == [("BUY", D("0.999")), ("SELL", D("0.999"))]
    assert done.account.bots[1].memory["buys"] == 0
    assert done.account.bots[1].status is BotStatus.ACTIVE


def test_dip_buys_below_the_high_and_sells_above_its_cost() -> None:
    """The high is followed; 10 % below it buys; 5 % above the cost sells; then a new high counts."""
    bot = bot_of(strategy="dip", amount="90", dip_percent="10", profit_percent="5")
    done = run(account(bot), tape("100", "120", "109", "108", "108", "113", "114", "114", "90"))
    assert [(f.side, f.price) for f in done.fills] == [
        ("BUY", D("108.108")),
        ("SELL", D("113.886")),
    ]
    assert [o.side for o in done.orders] == ["BUY", "SELL", "BUY"]


def test_dip_stops_a_loss() -> None:
    """With `stop_percent`, what falls further is sold."""
    bot = bot_of(
        strategy="dip", amount="90", dip_percent="10", profit_percent="5", stop_percent="8"
    )
    done = run(account(bot), tape("100", "90", "90", "85", "82", "82"))
    assert [f.side for f in done.fills] == ["BUY", "SELL"]
    assert done.fills[1].realized_pnl < 0
    assert done.account.bots[1].position.wins == 0


def test_momentum_buys_a_rise_and_sells_a_fall() -> None:
    """It looks once a minute, at the first trade, and compares with two looks ago."""
    bot = bot_of(strategy="momentum", amount="100", interval="1m", lookback=2,
                 rise_percent="2", fall_percent="1")  # fmt: skip
    risen = run(account(bot), tape("100", "101", "102", "102", "103", step=MINUTE))
    assert [f.price for f in risen.fills] == [D("102.102")]
    fallen = run(risen.account, tape("102", "100.9", "100.9", first=6, step=MINUTE))
    assert [f.side for f in fallen.fills] == ["SELL"]


def test_momentum_does_not_look_between() -> None:
    """A spike within the minute is no rise; but the stop works at every trade."""
    bot = bot_of(strategy="momentum", amount="100", interval="1m", lookback=1,
                 rise_percent="2", fall_percent="50", stop_percent="10")  # fmt: skip
    done = run(account(bot), tape("100", "130", "100", step=SECOND))
    assert not done.orders
    bought = run(done.account, tape("103", "103", first=61, step=SECOND))
    stopped = run(bought.account, tape("91", "91", first=63, step=SECOND))
    assert [f.side for f in stopped.fills] == ["SELL"]


def test_too_small_an_amount_stops_the_bot_with_a_reason() -> None:
    """An amount that buys nothing would otherwise be tried for ever."""
    bot = bot_of(strategy="dca", amount="0.01", every="1m")
    done = run(account(bot), tape("100"))
    assert done.account.bots[1].status is BotStatus.STOPPED
    assert "amount 0.01 USDT buys less than 0.001 BTC" in done.logs[-1].message


@pytest.mark.parametrize(
    ("strategy", "parameters", "complaint"),
    [
        ("grid", {"levels": 1}, "levels must be from 2 to 50, not 1."),
        ("grid", {"upper": "80"}, "upper 80 must be above lower 90."),
        ("grid", {"upper": "90.02"}, "5 levels are too many between 90 and 90.02"),
        ("grid", {"levels": "many"}, "levels must be a whole number, not many."),
        ("dca", {"every": "2m"}, "every must be one of 1s, 30s, 1m"),
        ("dca", {"max_buys": 0}, "max_buys 0 must be 1 or more."),
        ("dca", {"amount": "0"}, "amount 0 must be above 0."),
        ("dip", {"dip_percent": "100"}, "dip_percent 100 must be above 0 and below 100"),
        ("dip", {"stop_percent": "-1"}, "stop_percent -1 must be above 0"),
        ("momentum", {"lookback": 501}, "lookback must be from 1 to 500, not 501."),
        ("momentum", {"interval": 5}, "interval must be one of 1s, 30s, 1m"),
        ("momentum", {"interval": ["1m"]}, "interval must be one of 1s, 30s, 1m"),
    ],
)
def test_wrong_parameters_are_explained(
    strategy: str, parameters: dict[str, Any], complaint: str
) -> None:
    """Each strategy says what would be right."""
    good: dict[str, dict[str, Any]] = {
        "grid": {"lower": "90", "upper": "110", "levels": 5, "quantity": "1"},
        "dca": {"amount": "10", "every": "1h"},
        "dip": {"amount": "10", "dip_percent": "5", "profit_percent": "5"},
        "momentum": {"amount": "10", "interval": "1m", "lookback": 5, "rise_percent": "1",
                     "fall_percent": "1"},
    }  # fmt: skip
    fine = bot_of(1, strategy, **good[strategy])
    assert not run(account(), act(BotAction.CREATE, bot=fine)).refused
    wrong = bot_of(1, strategy, **(good[strategy] | parameters))
    assert complaint in " ".join(run(account(), act(BotAction.CREATE, bot=wrong)).refused)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_parameter_is_documented(name: str) -> None:
    """Name, kind, default and a sentence: what forms and the docs are made of."""
    for parameter, kind, _, meaning in describe(STRATEGIES[name].parameters):
        assert parameter.islower()
        assert kind
        assert meaning.endswith(".")


def test_parameters_are_kept_as_exact_json() -> None:
    """A number's digits survive: floats, texts and decimals give the same decimal text."""
    kind = STRATEGIES["scalper"].parameters
    for price in ("0.10", 0.1, D("0.1")):
        values = {"quantity": 1, "buy_price": price, "sell_price": "1E+2"}
        kept = to_json(read(kind, values))
        assert (kept["quantity"], kept["buy_price"], kept["sell_price"]) == ("1", "0.1", "100")
