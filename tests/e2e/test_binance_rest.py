"""The real recording, replayed: Binance's calls to our API say what the recording says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from .recorded import KLINES, RECORDING, exchange_klines, recorded_trades
from .sandboxed import replaying
from .system import System, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_a_replay_is_answered_as_it_was_recorded(test_data: Path, tmp_path: Path) -> None:
    """Trades, aggregates, klines and tickers equal the recording, and the sandbox's own answers."""
    trades = recorded_trades(test_data / RECORDING)
    settings = replaying(test_data / RECORDING, "BTCUSDT")
    async with System(settings, tmp_path) as system:
        system.start("sandbox", "feed", "recorder", "api")

        def ask(path: str, **params: Any) -> Any:
            query = "&".join(f"{name}={value}" for name, value in params.items())
            return system.get(f"/api/v3/{path}?{query}")

        async def all_there() -> bool:
            found = ask("trades", symbol="BTCUSDT", limit=1)
            return bool(found and found[-1]["id"] == trades[-1]["t"])

        await eventually("the last recorded trade is answered", all_there)
        assert [row["id"] for row in every_trade(ask, trades)] == [one["t"] for one in trades]
        for row, one in zip(every_trade(ask, trades), trades, strict=True):
            assert (Decimal(row["price"]), Decimal(row["qty"])) == (
                Decimal(one["p"]),
                Decimal(one["q"]),
            )
            assert (row["time"], row["isBuyerMaker"]) == (one["T"], one["m"])

        assert_aggregates(ask, trades)
        assert_klines(ask, trades, test_data)

        async def time_is_up() -> bool:
            return bool(abs(int(ask("time")["serverTime"]) - trades[-1]["T"]) < 60_000)

        await eventually("the market's time is the recording's", time_is_up)
        ticker = ask("ticker/24hr", symbol="BTCUSDT")
        assert (ticker["count"], ticker["firstId"], ticker["lastId"]) == (
            len(trades),
            trades[0]["t"],
            trades[-1]["t"],
        )
        prices = [Decimal(one["p"]) for one in trades]
        quotes = sum(Decimal(one["p"]) * Decimal(one["q"]) for one in trades)
        assert Decimal(ticker["highPrice"]) == max(prices)
        assert Decimal(ticker["lowPrice"]) == min(prices)
        assert Decimal(ticker["priceChange"]) == prices[-1] - prices[0]
        assert Decimal(ticker["quoteVolume"]) == quotes
        for path, params in (
            ("ticker/price", {"symbol": "BTCUSDT"}),
            ("historicalTrades", {"symbol": "BTCUSDT", "fromId": trades[500]["t"]}),
            ("uiKlines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": 0}),
        ):
            query = "&".join(f"{name}={value}" for name, value in params.items())
            theirs = system.sandbox("GET", f"/api/v3/{path}?{query}")
            ours = ask(path, **params)
            if path == "uiKlines":  # quiet ends are known to each as far as it has heard
                theirs, ours = theirs[: len(ours) - 1], ours[:-1]
            assert ours == theirs[: len(ours)] if path == "uiKlines" else ours == theirs, path
        history = system.get(
            "/udf/history?symbol=BTCUSDT&resolution=1&countback=5"
            f"&to={trades[-1]['T'] // 60_000 * 60}"
        )
        rows = ask("klines", symbol="BTCUSDT", interval="1m", endTime=trades[-1]["T"], limit=6)
        assert history["t"] == [row[0] // 1000 for row in rows[:5]]
        assert history["c"] == [float(row[4]) for row in rows[:5]]


def every_trade(ask: Callable[..., Any], trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Page through all trades by id, as clients do."""
    found: list[dict[str, Any]] = []
    from_id = trades[0]["t"]
    while True:
        page = ask("historicalTrades", symbol="BTCUSDT", fromId=from_id, limit=1000)
        found += page
        if len(page) < 1000:
            return found
        from_id = page[-1]["id"] + 1


def assert_aggregates(ask: Callable[..., Any], trades: list[dict[str, Any]]) -> None:
    """Pages of aggregates, by id, hold every trade once; none is cut."""
    found: list[dict[str, Any]] = []
    from_id = trades[0]["t"]
    while page := ask("aggTrades", symbol="BTCUSDT", fromId=from_id, limit=1000):
        found += page
        from_id = page[-1]["a"] + 1
    sizes: dict[int, Decimal] = {}
    by_id = {one["t"]: one for one in trades}
    for row in found:
        inside = [by_id[number] for number in range(row["f"], row["l"] + 1)]
        assert {(one["p"], one["m"], one["T"]) for one in inside} == {
            (inside[0]["p"], row["m"], row["T"])
        }
        assert Decimal(row["q"]) == sum(Decimal(one["q"]) for one in inside)
        sizes |= {one["t"]: Decimal(one["q"]) for one in inside}
    missing = [one for one in trades if one["t"] not in sizes]
    # The newest is told once it is over, and a replay's time stands still at its end.
    assert all(one["T"] == trades[-1]["T"] for one in missing)


def assert_klines(ask: Callable[..., Any], trades: list[dict[str, Any]], test_data: Path) -> None:
    """Every whole minute and five minutes equal the exchange's own klines."""
    first, last = trades[0]["T"] / 1000, trades[-1]["T"] / 1000
    for name, seconds in (("1m", 60), ("5m", 300)):
        theirs = exchange_klines(test_data / KLINES.format(name))
        whole = [t for t in theirs if t >= first and t + seconds <= last]
        rows = {row[0] // 1000: row for row in ask("klines", symbol="BTCUSDT", interval=name)}
        assert whole
        for time in whole:
            figures = dict(
                zip(("open", "high", "low", "close", "volume"), rows[time][1:6], strict=True)
            )
            assert {key: Decimal(text) for key, text in figures.items()} == theirs[time]
            inside = [one for one in trades if time <= one["T"] / 1000 < time + seconds]
            assert rows[time][8] == len(inside)
