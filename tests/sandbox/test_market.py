"""The made-up market as a data source."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from openoutcry.core.intervals import INTERVALS, MINUTE
from openoutcry.sandbox.bars import aggregates, prints
from openoutcry.sandbox.market import MadeUpMarket
from openoutcry.sandbox.tape import BLOCK, Trades
from openoutcry.venues.binance_server import KLINE_INTERVALS
from openoutcry.venues.binance_server_data import Bar, Print, Span
from sandbox.support import Clock

START = 1_790_000_000 * BLOCK
NOW = START + 500 * BLOCK + 654_321


def make_market(state_file: Any = None, clock: Any = None, rate: Any = 30.0) -> MadeUpMarket:
    return MadeUpMarket(["btcusdt", "pepeusdt"], 7, rate, clock or Clock(START), state_file)


@pytest.fixture(scope="module")
def market() -> MadeUpMarket:
    clock = Clock(START)
    made = make_market(clock=clock)
    clock.now = NOW
    return made


@pytest.fixture(scope="module")
def everything(market: MadeUpMarket) -> Trades:
    """All of Bitcoin's trades so far, as values."""
    tape = market.tapes["BTCUSDT"]
    trades = tape.make(tape.listed, NOW // BLOCK + 1)
    return trades[trades["time"] <= NOW]


def fold(trades: list[Print], start: int, end: int) -> Bar | None:
    """Return the bar of some trades, added up one by one."""
    if not trades:
        return None
    prices = [trade.price for trade in trades]
    bought = [trade for trade in trades if trade.bought]
    return Bar(
        *(start, end, prices[0], max(prices), min(prices), prices[-1]),
        sum((trade.size for trade in trades), Decimal(0)),
        sum((trade.size * trade.price for trade in trades), Decimal(0)),
        len(trades),
        sum((trade.size for trade in bought), Decimal(0)),
        sum((trade.size * trade.price for trade in bought), Decimal(0)),
        *(trades[0].id, trades[-1].id),
    )


async def test_trades_by_id_are_slices(market: MadeUpMarket, everything: Trades) -> None:
    """From any id on come exactly the trades with that id and the following ones."""
    symbol = market.tapes["BTCUSDT"].symbol
    last = len(everything)
    for from_id in (1, 2, 777, last - 300, last - 1, last):
        expected = everything[from_id - 1 : from_id + 249]
        found = await market.trades("BTCUSDT", from_id, 250)
        assert found == prints(expected, symbol.listing)
    assert await market.trades("BTCUSDT", last + 1, 10) == []


async def test_the_newest_trades_end_at_the_present(
    market: MadeUpMarket, everything: Trades
) -> None:
    """Without an id come the newest trades, none from the future."""
    found = await market.trades("BTCUSDT", None, 1000)
    assert [trade.id for trade in found] == everything["id"][-1000:].tolist()


async def test_aggregates_by_id_time_and_newest(market: MadeUpMarket, everything: Trades) -> None:
    """Aggregates are the same whichever way they are asked for."""
    listing = market.tapes["BTCUSDT"].symbol.listing
    whole = aggregates(everything, listing)
    assert await market.aggregates("BTCUSDT", None, Span(100)) == whole[-100:]
    assert await market.aggregates("BTCUSDT", 4321, Span(100)) == whole[4320:4420]
    start, end = START + 100 * BLOCK, START + 110 * BLOCK
    inside = [row for row in whole if start <= row.time <= end]
    assert await market.aggregates("BTCUSDT", None, Span(1000, start, end)) == inside
    assert (
        await market.aggregates("BTCUSDT", None, Span(7, start))
        == [row for row in whole if row.time >= start][:7]
    )
    until = [row for row in whole if row.time <= end]
    assert await market.aggregates("BTCUSDT", None, Span(50, None, end)) == until[-50:]


@pytest.mark.parametrize("name", KLINE_INTERVALS)
async def test_bars_are_the_fold_of_the_trades(
    market: MadeUpMarket, everything: Trades, name: str
) -> None:
    """Every bar of every interval is the sum of its trades; empty ones repeat the price before."""
    interval = INTERVALS[name]
    times = everything["time"]
    bars = await market.bars("BTCUSDT", interval, Span(limit=120))
    assert bars[-1].start == interval.floor(NOW)
    price: Decimal | None = None
    for bar in bars:
        assert bar.end == interval.next(bar.start)
        part = everything[(times >= bar.start) & (times < bar.end)]
        inside = prints(part, market.tapes["BTCUSDT"].symbol.listing)
        if inside:
            assert bar == fold(inside, bar.start, bar.end)
        else:
            assert (bar.trades, bar.first_id) == (0, -1)
            assert bar.volume == 0
            assert price is None or bar.open == bar.close == price
        price = bar.close
    assert all(left.end == right.start for left, right in pairwise(bars))


async def test_bars_by_start_and_end(market: MadeUpMarket) -> None:
    """A start gives the oldest bars from it, both ends give those between, limits hold."""
    minute = INTERVALS["1m"]
    start = START // MINUTE * MINUTE
    found = await market.bars("BTCUSDT", minute, Span(3, start + 1))
    assert [bar.start for bar in found] == [start + MINUTE * at for at in (1, 2, 3)]
    found = await market.bars("BTCUSDT", minute, Span(100, start, start + 2 * MINUTE))
    assert [bar.start for bar in found] == [start, start + MINUTE, start + 2 * MINUTE]
    found = await market.bars("BTCUSDT", minute, Span(2, None, start + 2 * MINUTE))
    assert [bar.start for bar in found] == [start + MINUTE, start + 2 * MINUTE]
    assert await market.bars("BTCUSDT", minute, Span(5, NOW + MINUTE)) == []
    oldest = await market.bars("BTCUSDT", minute, Span(1, 0))
    assert oldest[0].first_id == 1


@settings(max_examples=30, deadline=None)
@given(start=st.integers(START, NOW), length=st.integers(1, 400 * BLOCK))
async def test_a_window_is_the_fold_of_its_trades(
    market: MadeUpMarket, everything: Trades, start: int, length: int
) -> None:
    """Windows that start and end anywhere count exactly their trades."""
    end = start + length
    rows = everything[(everything["time"] >= start) & (everything["time"] < end)]
    expected = fold(prints(rows, market.tapes["BTCUSDT"].symbol.listing), start, min(end, NOW + 1))
    found = await market.window("BTCUSDT", start, end)
    if expected is None:
        assert found is not None
        assert found.trades == 0
    else:
        earlier = everything[everything["time"] < start]["price"]
        tick = market.tapes["BTCUSDT"].symbol.listing.tick
        before = int(earlier[-1]) * tick if len(earlier) else None
        assert found == structs.replace(expected, before=before)


async def test_the_book_stands_around_the_last_trade(market: MadeUpMarket) -> None:
    """Bid and ask are one tick apart and the last price is one of them."""
    book = await market.book("BTCUSDT")
    last = (await market.trades("BTCUSDT", None, 1))[0]
    assert book is not None
    assert book.ask - book.bid == Decimal("0.01")
    assert last.price == (book.ask if last.bought else book.bid)


async def test_a_restart_makes_the_same_trades(tmp_path: Path) -> None:
    """With its state file the exchange goes on as if it had never been away, holes included."""
    path, clock = tmp_path / "state.json", Clock(START)
    first = make_market(path, clock)
    first.skip_ids("BTCUSDT", 9)
    clock.now += 10 * BLOCK
    first.set_rate(90.0)
    clock.now += 50 * BLOCK
    second = make_market(path, clock, rate=90.0)
    for symbol in first.tapes:
        assert second.tapes[symbol].last_id(clock.now) == first.tapes[symbol].last_id(clock.now)
        wanted = await first.trades(symbol, None, 1000)
        assert await second.trades(symbol, None, 1000) == wanted


async def test_skipped_ids_exist_nowhere(tmp_path: Path) -> None:
    """Ids that were skipped are in no answer, and nothing else is missing."""
    clock = Clock(START)
    market = make_market(tmp_path / "state.json", clock)
    clock.now += 5 * BLOCK
    market.skip_ids("BTCUSDT", 40)
    clock.now += 60 * BLOCK
    newest = await market.trades("BTCUSDT", None, 1000)
    ids = [trade.id for trade in newest]
    holes = [(low, high) for low, high in pairwise(ids) if high != low + 1]
    assert [high - low for low, high in holes] == [41]
    low, high = holes[0]
    assert (await market.trades("BTCUSDT", low + 1, 1))[0].id == high
    bars = await market.bars("BTCUSDT", INTERVALS["1d"], Span(limit=20))
    assert sum(bar.trades for bar in bars) == ids[-1] - 40


async def test_prices_of_tiny_coins_stay_on_their_grid(market: MadeUpMarket) -> None:
    """A coin of a thousandth of a cent has whole ticks and whole coins."""
    for trade in await market.trades("PEPEUSDT", None, 200):
        assert trade.price % Decimal("1e-8") == 0
        assert trade.size % 1 == 0
        assert trade.price > 0
        assert trade.size > 0
