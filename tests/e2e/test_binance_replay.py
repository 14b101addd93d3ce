"""The recording of a real market, replayed: what Binance's clients hear on our hub is what it says."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from .recorded import KLINES, RECORDING, exchange_klines, recorded_trades
from .sandboxed import replaying
from .system import System, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

STREAMS = ("trade", "aggTrade", "kline_1m", "kline_1s", "miniTicker")
MINUTES = 2


async def test_clients_of_the_hub_hear_the_recording(test_data: Path, tmp_path: Path) -> None:
    """Every trade, aggregate, second and minute is the recording's; so is what ccxt parses."""
    trades = recorded_trades(test_data / RECORDING)
    by_id = {trade["t"]: trade for trade in trades}
    settings = replaying(test_data / RECORDING, "BTCUSDT", sandbox_speed="10")
    heard: dict[str, list[dict[str, Any]]] = defaultdict(list)
    minutes: dict[int, dict[str, Any]] = {}
    path = "/stream?streams=" + "/".join(f"btcusdt@{kind}" for kind in STREAMS)
    async with System(settings, tmp_path) as system, aiohttp.ClientSession() as http:
        system.start("sandbox", "recorder", "hub", "api")

        async def connect() -> aiohttp.ClientWebSocketResponse:
            return await http.ws_connect(system.hub_url + path)

        client = await eventually("the hub listens", connect)
        system.start("feed")
        parsed = asyncio.create_task(ccxt_trades(system))
        async with asyncio.timeout(90):
            while len(minutes) < MINUTES or not parsed.done():
                message = json.loads(await client.receive_str())
                kind = message["stream"].partition("@")[2]
                heard[kind].append(message["data"])
                if kind == "kline_1m" and message["data"]["k"]["x"]:
                    minutes[message["data"]["k"]["t"] // 1000] = message["data"]["k"]
        for trade in await parsed:
            theirs = by_id[int(trade["id"])]
            assert (trade["timestamp"], trade["price"], trade["amount"], trade["side"]) == (
                *(theirs["T"], float(theirs["p"]), float(theirs["q"])),
                "sell" if theirs["m"] else "buy",
            )
    told = [{**trade, "E": 0} for trade in heard["trade"]]
    assert told == [{**trade, "E": 0} for trade in trades[: len(told)]]
    assert all(trade["T"] // 10**6 == trade["E"] // 10**6 for trade in heard["trade"])
    assert_aggregates(heard["aggTrade"], by_id)
    assert_seconds(heard["kline_1s"], trades)
    candles = exchange_klines(test_data / KLINES.format("1m"))
    whole = [time for time in minutes if time * 1000 >= trades[0]["T"]]
    assert whole
    for time in whole:
        ours = [Decimal(minutes[time][key]) for key in "ohlcv"]
        assert ours == [candles[time][key] for key in ("open", "high", "low", "close", "volume")]
    last = {trade["t"]: trade["p"] for trade in trades}
    assert {mini["c"] for mini in heard["miniTicker"]} <= set(last.values())


async def ccxt_trades(system: System) -> list[dict[str, Any]]:
    """Return a hundred trades as ccxt.pro parses them, its REST calls answered by our API."""

    async def listed() -> bool:
        return bool(system.get("/api/v3/exchangeInfo")["symbols"])

    await eventually("the API lists the market", listed)
    exchange = ccxt.pro.binance({"newUpdates": True})
    api = exchange.urls["api"]
    api["public"] = system.url + "/api/v3"
    api["fapiPublic"] = system.url + "/fapi/v1"
    api["dapiPublic"] = system.url + "/dapi/v1"
    api["ws"]["spot"] = system.hub_url + "/ws"
    found: list[dict[str, Any]] = []
    try:
        while len(found) < 100:
            found += await exchange.watch_trades("BTC/USDT")
    finally:
        await exchange.close()
    return found


def assert_aggregates(aggregates: list[dict[str, Any]], by_id: dict[int, Any]) -> None:
    """Check that aggregates cover the trades one after the other, and add up."""
    assert len(aggregates) > 100
    for one, following in pairwise(aggregates):
        assert following["f"] == one["l"] + 1
    for one in aggregates:
        parts = [by_id[id_] for id_ in range(one["f"], one["l"] + 1)]
        assert {(part["T"], part["p"], part["m"]) for part in parts} == {
            (one["T"], one["p"], one["m"])
        }
        assert sum(Decimal(part["q"]) for part in parts) == Decimal(one["q"])


def assert_seconds(klines: list[dict[str, Any]], trades: list[dict[str, Any]]) -> None:
    """Check that each second ends once, in order, and holds just its trades."""
    inside: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for trade in trades:
        inside[trade["T"] // 1000 * 1000].append(trade)
    over = [one["k"] for one in klines if one["k"]["x"]]
    assert len(over) > 30
    starts = [kline["t"] for kline in over]
    assert starts == sorted(set(starts))
    for kline in over:
        mine = inside[kline["t"]]
        assert kline["n"] == len(mine)
        assert Decimal(kline["v"]) == sum(Decimal(trade["q"]) for trade in mine)
        if mine:
            assert (kline["f"], kline["L"]) == (mine[0]["t"], mine[-1]["t"])
            assert (kline["o"], kline["c"]) == (mine[0]["p"], mine[-1]["p"])
