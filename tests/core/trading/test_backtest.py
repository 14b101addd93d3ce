"""The backtest: the same fold, and figures that add up."""

from __future__ import annotations

import gzip
import json
import os
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from openoutcry.core.trading.amounts import exact, share_down
from openoutcry.core.trading.backtest import Backtest, Report
from openoutcry.core.trading.equity_picture import draw
from openoutcry.core.trading.events import Context, Trades, trades_of
from openoutcry.errors import BadRequestError
from openoutcry.trading import Account, Balance, Bot, Market
from tradekit import CONTEXT, D, account, bot_of, in_parts, one_by_one, run, scalper, tape

RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"


def outcome(
    bot: Bot, batches: list[Trades], context: Context = CONTEXT, usdt: str = "1000"
) -> Report:
    """Return the report of a backtest."""
    end = int(batches[-1].times[-1]) + 1
    test = Backtest(bot, {"USDT": D(usdt)}, context, from_time=0, to_time=end)
    for batch in batches:
        test.feed(batch)
    return test.report()


moves = st.lists(st.integers(-300, 300), min_size=2, max_size=60)


def walk(steps: list[int]) -> Trades:
    """Return a tape that wanders from 100."""
    now, prices = 10_000, []
    for step in steps:
        now = max(5_000, now + step)
        prices.append(f"{Decimal(now) / 100}")
    return tape(*prices)


@given(moves, st.sets(st.integers(1, 59)))
@settings(max_examples=60, deadline=None)
def test_figures_are_those_of_the_path_trade_by_trade(steps: list[int], cuts: set[int]) -> None:
    """In any batches: the fills of the fold, and a drawdown that no single trade contradicts."""
    trades = walk(steps)
    bot = bot_of(
        strategy="dip", amount="500", dip_percent="1", profit_percent="1", stop_percent="1"
    )
    report = outcome(bot, in_parts(trades, cuts))
    start = Account(0, 0, {"USDT": Balance(D(1000))}, {1: bot}, {})
    now, fills, deepest, high = start, list[object](), D(0), D(0)
    with exact():
        for trade in one_by_one(trades):
            changes = run(now, trade)
            now = changes.account
            fills += changes.fills
            worth = sum(
                (b.free + b.locked) * (trade.price(0) if asset == "BTC" else 1)
                for asset, b in now.balances.items()
            )
            high = max(high, D(worth))
            deepest = max(deepest, share_down((high - D(worth)) * 100, high))
        assert report.fills == fills
        assert report.drawdown.percent == deepest
        assert report.end_equity == worth
        assert report.pnl == report.end_equity - report.start_equity
    assert report.curve[-1].equity == report.end_equity


def test_a_drawdown_is_from_a_high_to_a_later_low() -> None:
    """Bought at the first, best at the third, worst at the fourth trade: 30 for each unit held."""
    bot = bot_of(strategy="dca", amount="1000", every="1M")
    report = outcome(bot, [tape("100", "100", "120", "90", "110")], usdt="2000")
    bought = report.fills[0].quantity
    assert report.drawdown.amount == bought * 30
    assert (report.drawdown.high_time, report.drawdown.low_time) == (3_000_000, 4_000_000)
    assert report.hold_percent == 10


def test_a_bot_that_cannot_start_is_refused() -> None:
    """With the words that the API would use."""
    with pytest.raises(BadRequestError, match="must be above"):
        outcome(scalper(sell_price="1"), [tape("100")])
    test = Backtest(scalper(), {"USDT": D(1)}, CONTEXT, from_time=0, to_time=1)
    with pytest.raises(BadRequestError, match="no trades"):
        test.report()


@pytest.mark.parametrize("prices", [("100",), ("100", "99", "99", "112", "112"), ("100", "100")])
def test_the_picture_is_well_formed(prices: tuple[str, ...]) -> None:
    """XML that a browser draws, the marks of the fills with their words, names escaped."""
    report = outcome(scalper_named("<b>&"), [tape(*prices)])
    root = ET.fromstring(draw(report))  # noqa: S314 - made here
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(report.fills)
    assert "nan" not in draw(report)
    assert "inf" not in draw(report).replace("infinite", "")


def scalper_named(name: str) -> Bot:
    """Return a scalper with a name."""
    return structs.replace(scalper(), name=name)


def recorded() -> Trades:
    """Return the recording's trades; skip where it is not."""
    file = Path(os.environ.get("OUTCRY_TEST_DATA", "../shared/data")) / RECORDING
    if not file.is_file():
        pytest.skip("OUTCRY_TEST_DATA has no recording of BTCUSDT")
    rows = []
    with gzip.open(file, "rt") as lines:
        for line in lines:
            message = json.loads(line)["m"]
            if message.get("stream", "").endswith("@trade"):
                trade = message["data"]
                rows.append((trade["t"], D(trade["p"]), D(trade["q"]), trade["T"] * 1000))
    return trades_of("BTCUSDT", sorted(rows))


def test_the_recording_gives_the_same_fills_however_it_comes() -> None:
    """Real trades: a backtest in two batches, and the trader's batches of whatever size."""
    trades = recorded()
    market = Market("BTCUSDT", "BTC", "USDT", D("0.01"), D("0.00001"))
    context = Context({"BTCUSDT": market}, spread=D("0.0001"))
    bot = scalper(quantity="0.05", buy_price="61600", sell_price="61620")
    report = outcome(bot, in_parts(trades, [7_000]), context, usdt="5000")
    assert len(report.fills) > 20
    start = account(bot, usdt="5000")
    whole = run(start, *in_parts(trades, range(0, len(trades), 37)), context=context)
    assert list(whole.fills) == report.fills
    assert report.realized_pnl == whole.account.bots[1].position.realized_pnl
