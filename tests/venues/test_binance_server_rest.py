"""The server's side of Binance's REST, over a market of three trades."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from openoutcry.core.intervals import MINUTE, Interval
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server_data import (
    Aggregate,
    Bar,
    Book,
    Listing,
    OneByOne,
    Print,
    Span,
)
from openoutcry.venues.binance_server_rest import answer, weigh

NOW = 1_723_161_255_342_001
ONE = Decimal(1)
TRADE = Print(5, Decimal("61837.63"), Decimal("0.02"), NOW, bought=False)
BAR = Bar(
    start=NOW // MINUTE * MINUTE,
    end=NOW // MINUTE * MINUTE + MINUTE,
    open=Decimal(10),
    high=Decimal(12),
    low=Decimal(9),
    close=Decimal(11),
    volume=Decimal(4),
    quote_volume=Decimal(42),
    trades=3,
    bought_volume=Decimal(1),
    bought_quote_volume=Decimal(11),
    first_id=3,
    last_id=5,
)


class Market(OneByOne):
    """Answers always the same, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def now(self) -> int:
        """Return a fixed time."""
        return NOW

    async def listings(self) -> dict[str, Listing]:
        """Return two markets."""
        return {
            name: Listing(name, name[:3], "USDT", Decimal("0.01"), Decimal("0.00001"))
            for name in ("BTCUSDT", "ETHUSDT")
        }

    async def trades(self, symbol: str, from_id: int | None, limit: int) -> list[Print]:
        """Return the one trade."""
        self.asked.append((symbol, from_id, limit))
        return [TRADE]

    async def aggregates(self, symbol: str, from_id: int | None, span: Span) -> list[Aggregate]:
        """Return one aggregate."""
        self.asked.append((symbol, from_id, span))
        return [Aggregate(2, TRADE.price, TRADE.size, 4, 5, NOW, bought=True)]

    async def bars(self, symbol: str, interval: Interval, span: Span) -> list[Bar]:
        """Return one bar."""
        self.asked.append((symbol, interval.name, span))
        return [BAR]

    async def window(self, symbol: str, start: int, end: int) -> Bar:
        """Return the bar."""
        self.asked.append((symbol, start, end))
        return BAR

    async def book(self, symbol: str) -> Book:
        """Return a book."""
        self.asked.append((symbol, None))
        return Book(5, Decimal("61837.63"), ONE, Decimal("61837.64"), ONE)


async def call(
    path: str, market: Market | None = None, *, micro: bool = False, **params: str
) -> tuple[int, Any]:
    reply = await answer(market or Market(), "/api/v3/" + path, params, micro=micro)
    assert reply is not None
    return reply.status, json.loads(reply.body)


async def test_ping_and_time() -> None:
    """The two simplest answers, in ms and µs."""
    assert await call("ping") == (200, {})
    assert await call("time") == (200, {"serverTime": NOW // 1000})
    assert await call("time", micro=True) == (200, {"serverTime": NOW})


async def test_klines_have_twelve_elements() -> None:
    """A row is exactly what Binance documents, its close time one less than the next open."""
    status, rows = await call("klines", symbol="BTCUSDT", interval="1m")
    start = BAR.start // 1000
    assert (status, rows) == (
        200,
        [
            [
                *(start, "10.00000000", "12.00000000", "9.00000000", "11.00000000", "4.00000000"),
                *(start + 59_999, "42.00000000", 3, "1.00000000", "11.00000000", "0"),
            ]
        ],
    )


async def test_times_are_ms_inclusive_to_the_last_microsecond() -> None:
    """Both startTime and endTime are whole milliseconds, both inside; µs are taken as they are."""
    market = Market()
    await call("klines", market, symbol="BTCUSDT", interval="1m", startTime="1", endTime="2")
    await call("klines", market, symbol="BTCUSDT", interval="1m", startTime=str(NOW), limit="9999")
    assert [asked[2] for asked in market.asked] == [Span(500, 1000, 2999), Span(1000, NOW)]


async def test_trades_and_aggregates_rows() -> None:
    """Rows of trades and aggregates have Binance's fields; the taker's sale is the buyer's making."""
    _, rows = await call("historicalTrades", symbol="BTCUSDT", fromId="5", limit="3")
    assert rows == [
        {
            "id": 5,
            "price": "61837.63000000",
            "qty": "0.02000000",
            "quoteQty": "1236.75260000",
            "time": NOW // 1000,
            "isBuyerMaker": True,
            "isBestMatch": True,
        }
    ]
    _, rows = await call("aggTrades", symbol="BTCUSDT")
    assert list(rows[0]) == list("apqflTmM")
    assert rows[0]["m"] is False


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("klines", {}, -1102),
        ("klines", {"symbol": "BTCUSDT"}, -1102),
        ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("klines", {"symbol": "BTCUSDT", "interval": "30s"}, -1120),
        ("klines", {"symbol": "NOPE", "interval": "1m"}, -1121),
        ("klines", {"symbol": "btcusdt", "interval": "1m"}, -1100),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": "x"}, -1100),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "timeZone": "5"}, -1130),
        ("trades", {"symbol": "BTCUSDT", "limit": "0"}, -1130),
        ("aggTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "1"}, -1128),
        ("ticker/24hr", {"symbols": "BTCUSDT"}, -1100),
        ("ticker/24hr", {"symbols": '["BTCUSDT","NOPE"]'}, -1121),
        ("ticker/24hr", {"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'}, -1128),
        ("ticker", {}, -1102),
        ("ticker", {"symbol": "BTCUSDT", "windowSize": "60m"}, -1100),
        ("ticker/24hr", {"type": "HUGE"}, -1130),
    ],
)
async def test_mistakes_have_binances_codes(path: str, params: Any, code: int) -> None:
    """Every mistake is a 400 with a code and a message."""
    status, body = await call(path, **params)
    assert (status, body["code"]) == (400, code)
    assert body["msg"]


async def test_tickers_for_one_several_and_all() -> None:
    """A symbol gives an object; a list or nothing gives an array."""
    one = (await call("ticker/24hr", symbol="BTCUSDT"))[1]
    assert one["priceChange"] == "1.00000000"
    assert one["priceChangePercent"] == "10.000"
    assert one["weightedAvgPrice"] == "10.50000000"
    assert one["count"] == 3
    assert [row["symbol"] for row in (await call("ticker/24hr"))[1]] == ["BTCUSDT", "ETHUSDT"]
    assert len((await call("ticker/24hr", symbols='["ETHUSDT"]', type="MINI"))[1]) == 1
    assert len((await call("ticker/price"))[1]) == 2
    assert (await call("ticker/bookTicker", symbol="BTCUSDT"))[1]["askPrice"] == "61837.64000000"
    assert (await call("avgPrice", symbol="BTCUSDT"))[1]["price"] == "10.50000000"


async def test_depth_is_the_best_level() -> None:
    """One level a side, in Binance's shape; a limit that makes no sense is refused."""
    depth = (await call("depth", symbol="BTCUSDT"))[1]
    assert [price for price, _ in depth["asks"]] == ["61837.64000000"]
    assert len(depth["bids"]) == 1
    assert (await call("depth", symbol="BTCUSDT", limit="0"))[1]["code"] == -1130


async def test_rolling_windows_start_on_a_minute() -> None:
    """`/ticker` counts back from the whole minute, `/ticker/24hr` from now."""
    market = Market()
    await call("ticker", market, symbol="BTCUSDT", windowSize="2h")
    await call("ticker/24hr", market, symbol="BTCUSDT")
    windows = [asked for asked in market.asked if asked[1] is not None]
    assert windows[0] == ("BTCUSDT", NOW // MINUTE * MINUTE - 120 * MINUTE, NOW + 1)
    assert windows[1] == ("BTCUSDT", NOW - 1440 * MINUTE, NOW + 1)


async def test_exchange_info_lists_what_was_asked_for() -> None:
    """All symbols, or the chosen one, with grids as strings; futures have none."""
    assert len((await call("exchangeInfo"))[1]["symbols"]) == 2
    chosen = (await call("exchangeInfo", symbol="ETHUSDT"))[1]["symbols"]
    assert chosen[0]["filters"][0]["tickSize"] == "0.01000000"
    reply = await answer(Market(), "/fapi/v1/exchangeInfo", {})
    assert reply is not None
    assert json.loads(reply.body)["symbols"] == []


async def test_unknown_paths_have_no_answer() -> None:
    """What Binance does not have is left to the caller."""
    assert await answer(Market(), "/api/v3/nothing", {}) is None


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("ping", {}, 1),
        ("exchangeInfo", {}, 20),
        ("klines", {}, 2),
        ("historicalTrades", {}, 25),
        ("aggTrades", {}, 4),
        ("ticker/24hr", {"symbol": "BTCUSDT"}, 2),
        ("ticker/24hr", {"symbols": '["A","B"]'}, 2),
        ("ticker/24hr", {"symbols": ",".join(["A"] * 21)}, 40),
        ("ticker/24hr", {}, 80),
        ("ticker/price", {}, 4),
        ("ticker", {"symbols": '["A","B","C"]'}, 12),
    ],
)
def test_calls_weigh_what_binance_says(path: str, params: Any, weight: int) -> None:
    """Weights are those of the documentation."""
    assert weigh("/api/v3/" + path, params) == weight


def test_numbers_are_never_rounded() -> None:
    """Eight decimals, unless that would lose some."""
    assert shapes.decimal_text(Decimal("1E+3")) == "1000.00000000"
    assert shapes.decimal_text(Decimal("0.00000001")) == "0.00000001"
    assert shapes.decimal_text(Decimal("0.1234567891")) == "0.1234567891"
