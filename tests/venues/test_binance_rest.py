"""Binance's REST answers: what is asked, at which weight, and what comes back."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openoutcry.core.scales import to_decimal
from openoutcry.errors import ProtocolError
from openoutcry.venues import binance_rest as rest

KLINE: list[Any] = [
    1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815",
    1499644799999, "2434.19055334", 308, "1756.87402397", "28.46694368", "0",
]  # fmt: skip


def trade(trade_id: int, **changes: Any) -> dict[str, Any]:
    """Return one element of a `historicalTrades` answer."""
    return {
        "id": trade_id, "price": "4.00000100", "qty": "12.00000000", "quoteQty": "48.000012",
        "time": 1499865549590, "isBuyerMaker": True, "isBestMatch": True,
    } | changes  # fmt: skip


def test_a_recorded_exchange_info_is_read_whole(test_data: Path) -> None:
    """All 1,695 symbols of the recording, with the scales that their steps need."""
    body = gzip.decompress((test_data / "rest/binance_exchangeInfo_2021.json.gz").read_bytes())
    found = rest.parse_exchange_info(body)
    assert len(found) == 1_695
    assert found["BTCUSDT"] == rest.SymbolInfo("BTCUSDT", "BTC", "USDT", 2, 5)
    for symbol in json.loads(body)["symbols"]:
        steps = {one["filterType"]: one for one in symbol["filters"]}
        tick = Decimal(steps["PRICE_FILTER"]["tickSize"])
        step = Decimal(steps["LOT_SIZE"]["stepSize"])
        info = found[symbol["symbol"]]
        for value, scale in ((tick, info.price_scale), (step, info.size_scale)):
            if value:
                assert value.scaleb(scale) % 1 == 0
                assert not scale or value.scaleb(scale - 1) % 1 != 0


def test_symbols_without_filters_get_eight_places() -> None:
    """Without a tick or step size, Binance's own eight decimals serve."""
    body = b'{"symbols":[{"symbol":"AB","baseAsset":"A","quoteAsset":"B","filters":[]}]}'
    assert rest.parse_exchange_info(body)["AB"] == rest.SymbolInfo("AB", "A", "B", 8, 8)


def test_trades_come_out_ascending_and_exact() -> None:
    """Ids ascend whatever the answer's order; prices, sides and times are exact."""
    body = json.dumps([trade(9, isBuyerMaker=False), trade(8, price="1E-8")]).encode()
    trades = rest.parse_trades("ABUSDT", body)
    assert trades is not None
    assert trades.trade_id.tolist() == [8, 9]
    assert trades.side.tolist() == [-1, 1]
    assert [to_decimal(p, trades.price_scale) for p in trades.price.tolist()] == [
        Decimal("0.00000001"),
        Decimal("4.000001"),
    ]
    assert trades.venue_time.tolist() == [1499865549590000] * 2
    assert trades.symbol == ["ABUSDT"] * 2
    assert rest.parse_trades("ABUSDT", b"[]") is None


def test_the_newest_aggregate_tells_the_newest_id() -> None:
    """First id, last id and time of the last aggregate in the answer."""
    body = json.dumps([{"a": 1, "f": 5, "l": 7, "T": 10}, {"a": 2, "f": 8, "l": 9, "T": 11}])
    assert rest.parse_aggregate(body.encode()) == (8, 9, 11_000)
    assert rest.parse_aggregate(b"[]") is None


def test_klines_are_exact_and_quiet_ones_left_out() -> None:
    """Strings become decimals digit for digit; buckets without trades or outside are not made."""
    quiet = [KLINE[0] + 60_000, *KLINE[1:8], 0, *KLINE[9:]]
    late = [KLINE[0] + 120_000, *KLINE[1:]]
    start = KLINE[0] * 1000
    body = json.dumps([KLINE, quiet, late]).encode()
    klines = rest.parse_klines(7, "1m", start, start + 120_000_000, body)
    assert [candle.bucket for candle in klines.candles] == [start]
    candle = klines.candles[0]
    assert (str(candle.open), str(candle.volume)) == ("0.0163479", "148976.11427815")
    assert (str(candle.quote_volume), candle.trades) == ("2434.19055334", 308)
    assert str(candle.taker_buy_quote_volume) == "28.46694368"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html>", b'{"code":-1121}', b"[1]", b"[[]]", b"[[1]]"]
)
def test_nonsense_is_a_protocol_error(body: bytes) -> None:
    """An answer that is not what was asked for never raises anything else."""
    for parse in (
        rest.parse_exchange_info,
        rest.parse_aggregate,
        lambda answer: rest.parse_trades("A", answer),
        lambda answer: rest.parse_klines(1, "1m", 0, 1, answer),
    ):
        with pytest.raises(ProtocolError):
            parse(body)


def test_requests_carry_their_weights() -> None:
    """Paths, queries and weights are those of the venue's documents."""
    asked = rest.exchange_info(["ETHUSDT", "BTCUSDT"])
    assert (asked.path, asked.weight) == ("/api/v3/exchangeInfo", 20)
    assert asked.query == {"symbols": '["BTCUSDT","ETHUSDT"]'}
    assert rest.historical_trades("A", 5) == rest.Request(
        "/api/v3/historicalTrades", {"symbol": "A", "fromId": "5", "limit": "1000"}, 25
    )
    assert rest.newest_aggregate("A").weight == rest.first_aggregate("A", 1).weight == 4
    assert rest.klines("A", "1m", 1, 2).weight == 2
