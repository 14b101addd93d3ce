"""What python-binance and Binance's own connector are answered over REST is what was recorded."""

from __future__ import annotations

from typing import Any

import pytest
from binance_sdk_spot.rest_api.models import KlinesIntervalEnum, TickerWindowSizeEnum

from e2e.recorded import Market, Row

from .scene import MINUTE, Scene

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def day_row(scene: Scene, market: Market, closed: int) -> Row:
    """Return `/ticker/24hr` as it has to be."""
    names = ("bidPrice", "bidQty", "askPrice", "askQty")
    return market.day(closed) | dict(zip(names, scene.book(market), strict=True))


def test_python_binance_asks(scene: Scene) -> None:
    """Every market data call of python-binance gives the recording's figures, to the digit."""
    client, market = scene.python_binance(), scene.recorded.btc
    assert client.ping() == {}
    assert client.get_server_time() == {"serverTime": scene.now()}
    minutes = market.candles(MINUTE)
    first = client.get_klines(symbol="BTCUSDT", interval="1m", startTime=0, limit=1)
    assert first == minutes[:1]
    # Asks with startTime=0&limit=1 first, then pages from there.
    found = client.get_historical_klines("BTCUSDT", "1m", minutes[0][0], minutes[-1][0])
    assert found == minutes
    seconds = market.candles(1000)
    found = client.get_historical_klines("BTCUSDT", "1s", 0)
    assert found == seconds
    rows = market.trade_rows()
    assert client.get_recent_trades(symbol="BTCUSDT", limit=1000) == rows[-1000:]
    number = rows[7000]["id"]
    found = client.get_historical_trades(symbol="BTCUSDT", fromId=number, limit=1000)
    assert found == rows[7000:8000]
    aggregates = scene.aggregates(market)
    assert client.get_aggregate_trades(symbol="BTCUSDT") == aggregates[-500:]
    number = aggregates[3000]["a"]
    found = client.get_aggregate_trades(symbol="BTCUSDT", fromId=number, limit=1000)
    assert found == aggregates[3000:4000]
    day = client.get_ticker(symbol="BTCUSDT")
    assert day == day_row(scene, market, day["closeTime"])
    book = {"symbol": "BTCUSDT", **{key: day[key] for key in day if key[:3] in {"bid", "ask"}}}
    assert client.get_orderbook_ticker(symbol="BTCUSDT") == book
    last = {"symbol": "BTCUSDT", "price": market.trades[-1]["p"]}
    assert client.get_symbol_ticker(symbol="BTCUSDT") == last
    assert client.get_avg_price(symbol="BTCUSDT") == market.average(scene.now())
    assert [row["symbol"] for row in client.get_exchange_info()["symbols"]] == [
        *("BTCUSDT", "ETHUSDT")
    ]


def plain(model: Any) -> Any:
    """Return a connector's model as what was on the wire."""
    if isinstance(model, list):
        return [plain(one) for one in model]
    if hasattr(model, "actual_instance"):
        return plain(model.actual_instance)
    if not hasattr(model, "model_dump"):
        return model
    wire: Row = model.model_dump(by_alias=True, exclude_none=True)
    assert wire.pop("additional_properties", {}) == {}  # nothing that Binance does not have
    return wire


def test_the_connector_asks(scene: Scene) -> None:
    """Every market data call of Binance's own connector, parsed into its models."""
    api, market = scene.connector(), scene.recorded.btc
    api.ping()
    assert api.time().data().server_time == scene.now()
    minutes = market.candles(MINUTE)
    for ask in (api.klines, api.ui_klines):
        assert plain(ask("BTCUSDT", KlinesIntervalEnum["INTERVAL_1m"]).data()) == minutes
    rows = market.trade_rows()
    assert plain(api.get_trades("BTCUSDT", limit=1000).data()) == rows[-1000:]
    found = api.historical_trades("BTCUSDT", limit=10, from_id=rows[50]["id"]).data()
    assert plain(found) == rows[50:60]
    aggregates = scene.aggregates(market)
    assert plain(api.agg_trades("BTCUSDT", limit=1000).data()) == aggregates[-1000:]
    day = plain(api.ticker24hr("BTCUSDT").data())
    assert day == day_row(scene, market, day["closeTime"])
    days = plain(api.ticker24hr(symbols=["BTCUSDT", "ETHUSDT"]).data())
    assert [one["symbol"] for one in days] == ["BTCUSDT", "ETHUSDT"]
    window = plain(api.ticker("BTCUSDT", window_size=TickerWindowSizeEnum["WINDOW_SIZE_1h"]).data())
    same = ("openPrice", "lastPrice", "highPrice", "lowPrice", "volume", "quoteVolume", "count")
    assert {key: window[key] for key in same} == {key: day[key] for key in same}
    last = {"symbol": "BTCUSDT", "price": market.trades[-1]["p"]}
    assert plain(api.ticker_price("BTCUSDT").data()) == last
    assert plain(api.ticker_book_ticker("BTCUSDT").data()) == {
        key: value for key, value in day.items() if key[:3] in {"sym", "bid", "ask"}
    }
    assert plain(api.avg_price("BTCUSDT").data()) == market.average(scene.now())
    assert len(api.exchange_info().data().symbols) == 2
