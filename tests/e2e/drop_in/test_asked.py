"""What ccxt is answered over REST at both places is what was recorded; both answer alike."""

from __future__ import annotations

import pytest

from e2e.recorded import DAY, Row
from e2e.system import fetch

from .scene import MINUTE, Scene

LENGTHS = {"1s": 1000, "1m": MINUTE, "5m": 5 * MINUTE, "1h": 60 * MINUTE, "1d": DAY}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_ccxt_loads_markets(scene: Scene) -> None:
    """`load_markets`: both symbols, on the recorded grids."""
    markets = scene.ccxt().load_markets()
    assert markets.keys() == {"BTC/USDT", "ETH/USDT"}
    for market in markets.values():
        assert (market["spot"], market["active"], market["type"]) == (True, True, "spot")
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)


@pytest.mark.parametrize("length", LENGTHS)
def test_ccxt_fetches_candles(scene: Scene, length: str) -> None:
    """`fetch_ohlcv`: the newest without `since`, the oldest from `since` on, to the digit."""
    exchange = scene.ccxt()
    for symbol, market in scene.recorded.markets.items():
        rows = [[row[0], *map(float, row[1:6])] for row in market.candles(LENGTHS[length])]
        assert exchange.fetch_ohlcv(symbol, length) == rows[-500:]
        assert exchange.fetch_ohlcv(symbol, length, limit=3) == rows[-3:]
        since = rows[len(rows) // 2][0]
        found = exchange.fetch_ohlcv(symbol, length, since=since, limit=4)
        assert found == rows[len(rows) // 2 :][:4]


def parsed_ticker(scene: Scene, symbol: str, closed: int) -> Row:
    """Return what ccxt has to make of `/ticker/24hr` that ends at `closed` (ms)."""
    market = scene.recorded.markets[symbol]
    day = market.day(closed)
    bid, bid_size, ask, ask_size = scene.book(market)
    return {
        "symbol": symbol,
        "timestamp": closed,
        "high": float(day["highPrice"]),
        "low": float(day["lowPrice"]),
        "open": float(day["openPrice"]),
        "close": float(day["lastPrice"]),
        "last": float(day["lastPrice"]),
        "previousClose": float(day["prevClosePrice"]),
        "change": float(day["priceChange"]),
        "percentage": float(day["priceChangePercent"]),
        "vwap": float(day["weightedAvgPrice"]),
        "baseVolume": float(day["volume"]),
        "quoteVolume": float(day["quoteVolume"]),
        "bid": float(bid),
        "bidVolume": float(bid_size),
        "ask": float(ask),
        "askVolume": float(ask_size),
    }


def assert_ticker(scene: Scene, ticker: Row, symbol: str) -> None:
    """Check a parsed ticker against the recording."""
    last, end = scene.recorded.btc.trades[-1]["T"], scene.recorded.last_event
    assert last <= ticker["timestamp"] <= end
    expected = parsed_ticker(scene, symbol, ticker["timestamp"])
    assert {key: ticker[key] for key in expected} == expected


def test_ccxt_fetches_tickers(scene: Scene) -> None:
    """`fetch_ticker`, and `fetch_tickers` of all, one and several: the recording's rolling day."""
    exchange = scene.ccxt()
    both = ["BTC/USDT", "ETH/USDT"]
    for symbol in both:
        assert_ticker(scene, exchange.fetch_ticker(symbol), symbol)
    for asked in (None, ["ETH/USDT"], both):
        found = exchange.fetch_tickers(asked)
        assert found.keys() == set(asked or both)
        for symbol, ticker in found.items():
            assert_ticker(scene, ticker, symbol)


def test_ccxt_fetches_trades(scene: Scene) -> None:
    """`fetch_trades` asks for aggregates: the newest, and the oldest from `since` on."""
    exchange = scene.ccxt()
    for symbol, market in scene.recorded.markets.items():
        expected = scene.aggregates(market)
        since = expected[len(expected) // 2]["T"]
        later = [row for row in expected if row["T"] >= since]
        for asked, rows in (
            ({}, expected[-500:]),
            ({"limit": 1000}, expected[-1000:]),
            ({"since": since, "limit": 700}, later[:700]),
            ({"since": since}, later[:500]),
        ):
            found = exchange.fetch_trades(symbol, **asked)
            assert [
                (one["id"], one["timestamp"], one["price"], one["amount"], one["side"])
                for one in found
            ] == [
                (
                    *(str(row["a"]), row["T"], float(row["p"]), float(row["q"])),
                    "sell" if row["m"] else "buy",
                )
                for row in rows
            ], (symbol, asked)


def test_ccxt_fetches_best_and_last_prices(scene: Scene) -> None:
    """`fetch_bids_asks`, `fetch_last_prices` and `fetch_time`."""
    exchange = scene.ccxt()
    bests, lasts = exchange.fetch_bids_asks(), exchange.fetch_last_prices()
    for symbol, market in scene.recorded.markets.items():
        best = bests[symbol]
        told = [best[key] for key in ("bid", "bidVolume", "ask", "askVolume")]
        assert told == [float(number) for number in scene.book(market)]
        assert lasts[symbol]["price"] == float(market.trades[-1]["p"])
    assert exchange.fetch_bids_asks(["BTC/USDT"]).keys() == {"BTC/USDT"}
    now = exchange.fetch_time()
    assert scene.recorded.btc.trades[-1]["T"] <= now <= scene.recorded.last_event


def test_both_places_answer_alike(scenes: list[Scene]) -> None:
    """Byte for byte the same, but for what the head of this file lists."""
    ours, theirs = ([scene.place.rest for scene in scenes][at] for at in (0, 1))
    same = (
        *("ping", "klines?symbol=BTCUSDT&interval=1m", "uiKlines?symbol=ETHUSDT&interval=5m"),
        *("trades?symbol=BTCUSDT", "historicalTrades?symbol=ETHUSDT&fromId=1001"),
        *("ticker/price", "ticker/price?symbol=ETHUSDT", "ticker/bookTicker?symbol=BTCUSDT"),
    )
    for path in same:
        assert fetch(f"{ours}/api/v3/{path}") == fetch(f"{theirs}/api/v3/{path}"), path
    infos = [fetch(f"{place}/api/v3/exchangeInfo") for place in (ours, theirs)]
    for info in infos:
        info["serverTime"] = 0
        info["rateLimits"][0]["limit"] = 0
    assert infos[0] == infos[1]
