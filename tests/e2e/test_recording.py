"""The real recording of Binance Spot BTCUSDT, replayed at full speed, against the exchange's klines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from .recorded import KLINES, RECORDING, exchange_klines, recorded_trades
from .sandboxed import replaying
from .system import System, eventually

SECONDS = {"1m": 60, "5m": 300, "15m": 900}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_a_replayed_recording_is_stored_whole_and_its_candles_are_the_exchanges(
    test_data: Path, tmp_path: Path
) -> None:
    """Trades equal the recording's; every whole 1m and 5m candle equals the exchange's kline."""
    trades = recorded_trades(test_data / RECORDING)
    settings = replaying(test_data / RECORDING, "BTCUSDT")
    async with System(settings, tmp_path) as system:
        system.start("sandbox", "feed", "recorder", "api")
        connection = await asyncpg.connect(system.database_url)

        async def all_there() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM trades") >= len(trades))

        await eventually("every recorded trade is stored", all_there)
        rows = await connection.fetch("SELECT * FROM trades ORDER BY trade_id")
        assert [row["trade_id"] for row in rows] == [trade["t"] for trade in trades]
        assert [row["price"] for row in rows] == [Decimal(trade["p"]) for trade in trades]
        assert [row["size"] for row in rows] == [Decimal(trade["q"]) for trade in trades]
        assert [row["side"] for row in rows] == [-1 if trade["m"] else 1 for trade in trades]
        assert await connection.fetchval("SELECT count(*) FROM gaps") == 0
        await connection.close()

        async def api_is_up() -> bool:
            return bool(system.get("/health/live"))

        await eventually("the API answers", api_is_up)
        first, last = trades[0]["T"] / 1000, trades[-1]["T"] / 1000
        compared = {}
        for name, seconds in SECONDS.items():
            theirs = exchange_klines(test_data / KLINES.format(name))
            whole = [t for t in theirs if t >= first and t + seconds <= last]
            answer = system.get(
                f"/candles?asset=BTC&duration={name}"
                "&startTime=2024-08-08T23:45:00Z&endTime=2024-08-09T00:10:00Z"
            )
            ours = {candle["time"]: candle for candle in answer["candles"]}
            compared[name] = len(whole)
            for time in whole:
                assert ours[time]["complete"], (name, time)
                assert {
                    key: Decimal(str(ours[time][key]))
                    for key in ("open", "high", "low", "close", "volume")
                } == theirs[time], (name, time)
                assert_sums(ours[time], trades, time, seconds)
            partial = set(ours) - set(whole)
            assert not any(ours[time]["complete"] for time in partial), name
        assert compared == {"1m": 10, "5m": 2, "15m": 0}


def assert_sums(
    candle: dict[str, Any], trades: list[dict[str, Any]], start: int, seconds: int
) -> None:
    """The klines' file has no counts and no quote volumes: those are summed from the recording."""
    inside = [t for t in trades if start * 1000 <= t["T"] < (start + seconds) * 1000]
    quote = sum(Decimal(t["p"]) * Decimal(t["q"]) for t in inside)
    assert candle["trades"] == len(inside)
    assert Decimal(str(candle["quoteVolume"])) == quote
