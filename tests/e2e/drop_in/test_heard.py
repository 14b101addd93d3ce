"""What other people's clients heard live at both places is what was recorded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from e2e.recorded import Market, Recorded, Row

from .scene import MINUTE, Scene

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def from_first(trades: list[Row], number: int) -> list[Row]:
    """Return the recorded trades from an id on."""
    return trades[number - trades[0]["t"] :]


def assert_trades(heard: list[Row], recorded: list[Row]) -> None:
    """Check raw trade events: all from the first heard one on; their event time is the server's."""
    told = [{**one, "E": 0} for one in heard]
    assert len(told) > 15_000
    assert told == [{**one, "E": 0} for one in from_first(recorded, told[0]["t"])]


def test_ccxt_pro_watches_trades(scene: Scene) -> None:
    """`watch_trades`: every trade once, in order, as recorded."""
    found = scene.heard.said["ccxt.watch_trades"]
    expected = from_first(scene.recorded.btc.trades, int(found[0]["id"]))
    assert len(found) > 15_000
    assert [
        (one["id"], one["timestamp"], one["price"], one["amount"], one["side"], one["symbol"])
        for one in found
    ] == [
        (
            *(str(one["t"]), one["T"], float(one["p"]), float(one["q"])),
            *("sell" if one["m"] else "buy", "BTC/USDT"),
        )
        for one in expected
    ]


@pytest.mark.parametrize("call", ["python-binance.raw", "python-binance.trade"])
def test_python_binance_hears_trades(scene: Scene, call: str) -> None:
    """On a raw socket and on a combined one: every trade once, in order, as recorded."""
    assert_trades(scene.heard.said[call], scene.recorded.btc.trades)


@pytest.mark.parametrize("path", ["/ws", "/stream"])
def test_a_bare_connection_subscribes_with_a_time_as_its_id(scene: Scene, path: str) -> None:
    """As binance-connector 3.x speaks: the reply has the id, trades and mini tickers follow."""
    said = scene.heard.said
    assert_trades(said[f"bare{path}"], scene.recorded.btc.trades)
    assert [one["result"] for one in said[f"bare{path}.list"]] == [
        ["btcusdt@trade", "!miniTicker@arr"]
    ]
    assert_minis(said[f"bare{path}.minis"], scene.recorded)


def test_the_connector_hears_trades(scene: Scene) -> None:
    """Binance's own connector parses every trade into its model."""
    found = scene.heard.said["connector.trade"]
    names = ("s", "t", "p", "q", "T", "m")
    told = [tuple(getattr(one, name) for name in names) for one in found]
    expected = from_first(scene.recorded.btc.trades, found[0].t)
    assert told == [tuple(one[name] for name in names) for one in expected]


def assert_klines(told: list[tuple[list[Any], bool]], market: Market) -> None:
    """Check candles (as rows of `/klines`, and whether they are over): each ends once, in order."""
    expected = {row[0]: row for row in market.candles(MINUTE)}
    over = [row for row, done in told if done]
    starts = [row[0] for row in over]
    assert starts == list(range(starts[0], max(expected), MINUTE))
    assert starts[0] <= min(expected) + MINUTE
    assert over == [expected[start] for start in starts]
    assert told[-1] == (expected[max(expected)], False)


def test_python_binance_hears_candles(scene: Scene) -> None:
    """`@kline_1m`: every minute ends once with the recording's figures and ids."""
    told = [one["k"] for one in scene.heard.said["python-binance.kline_1m"]]
    rows = [([*(one[key] for key in "tohlcvTqnVQ"), "0"], one["x"]) for one in told]
    assert_klines(rows, scene.recorded.btc)
    for one in told:
        if one["x"]:
            inside = scene.recorded.btc.between(one["t"], one["T"] + 1)
            assert (one["f"], one["L"]) == (inside[0]["t"], inside[-1]["t"])


def test_the_connector_hears_candles(scene: Scene) -> None:
    """The same in the connector's model."""
    told = [one.k for one in scene.heard.said["connector.kline"]]
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
    rows = [([*(getattr(one, name) for name in names), "0"], one.x) for one in told]
    assert_klines(rows, scene.recorded.btc)


def test_ccxt_pro_watches_candles(scene: Scene) -> None:
    """`watch_ohlcv`: the last state of every minute is the recording's."""
    found = {row[0]: row for update in scene.heard.said["ccxt.watch_ohlcv"] for row in update}
    expected = {
        row[0]: [row[0], *map(float, row[1:6])] for row in scene.recorded.btc.candles(MINUTE)
    }
    assert len(found) >= len(expected) - 1
    assert found == {start: expected[start] for start in found}


def assert_minis(told: list[list[Row]], recorded: Recorded) -> None:
    """Check arrays of mini tickers: changed symbols only, volume only grows, the end is right."""
    last: dict[str, Row] = {}
    for array in told:
        assert array
        for one in array:
            assert one["e"] == "24hrMiniTicker"
            before = last.get(one["s"])
            assert before is None or Decimal(before["v"]) < Decimal(one["v"])
            last[one["s"]] = one
    for market in (recorded.btc, recorded.eth):
        ours = {key: value for key, value in last[market.symbol].items() if key not in {"e", "E"}}
        assert ours == market.mini()


def test_python_binance_hears_all_mini_tickers(scene: Scene) -> None:
    """`!miniTicker@arr@1000ms` comes to the recording's rolling day."""
    assert_minis(scene.heard.said["python-binance.minis"], scene.recorded)


def test_the_connector_hears_all_mini_tickers(scene: Scene) -> None:
    """The connector's models of `!miniTicker@arr` say the same."""
    told = scene.heard.said["connector.all_mini_ticker"]
    last = {one.s: one for array in told for one in (array if isinstance(array, list) else [array])}
    for market in scene.recorded.markets.values():
        expected = market.mini()
        assert {key: getattr(last[market.symbol], key) for key in expected} == expected


@pytest.mark.parametrize("call", ["ccxt.watch_ticker", "ccxt.watch_tickers"])
def test_ccxt_pro_watches_tickers(scene: Scene, call: str) -> None:
    """The last ticker of each market is the recording's rolling day."""
    last: dict[str, Row] = {}
    for message in scene.heard.said[call]:
        last |= {message["symbol"]: message} if call == "ccxt.watch_ticker" else message
    expected = scene.recorded.markets if call == "ccxt.watch_tickers" else ["BTC/USDT"]
    assert last.keys() == set(expected)
    for symbol, ticker in last.items():
        mini = scene.recorded.markets[symbol].mini()
        names = {"open": "o", "high": "h", "low": "l", "last": "c", "close": "c"}
        names |= {"baseVolume": "v", "quoteVolume": "q"}
        assert {name: ticker[name] for name in names} == {
            name: float(mini[key]) for name, key in names.items()
        }


def test_best_prices_come_to_the_recorded_ones(scene: Scene) -> None:
    """`@bookTicker`: recorded messages, in order; each at the sandbox, conflated here."""
    books = {one["u"]: one for one in scene.recorded.btc.books}
    for call in ("python-binance.bookTicker", "connector.book_ticker"):
        told = scene.heard.said[call]
        if call.startswith("connector"):
            told = [{key: getattr(one, key) for key in "usbBaA"} for one in told]
        assert told == [books[one["u"]] for one in told]
        updates = [one["u"] for one in told]
        assert updates == sorted(set(updates))
        assert updates[-1] == max(books)
        if not scene.ours:
            assert updates == sorted(books)[-len(updates) :]
