"""Other people's client libraries, pointed at the sandbox: nothing but the address is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.pro
import pytest
from binance import AsyncClient, BinanceSocketManager

from sandbox.support import Sandbox, running


def point(exchange: Any, sandbox: Sandbox) -> None:
    """Change the addresses of a ccxt exchange."""
    api = exchange.urls["api"]
    api["public"] = sandbox.rest + "/api/v3"
    api["fapiPublic"] = sandbox.rest + "/fapi/v1"
    api["dapiPublic"] = sandbox.rest + "/dapi/v1"
    if "ws" in api:
        api["ws"]["spot"] = sandbox.ws + "/ws"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running(rate=100.0) as one:
        yield one


@asynccontextmanager
async def ccxt_pro(sandbox: Sandbox) -> AsyncIterator[Any]:
    exchange = ccxt.pro.binance({"newUpdates": True})
    point(exchange, sandbox)
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_ccxt_reads_markets_candles_trades_and_tickers(sandbox: Sandbox) -> None:
    """The synchronous ccxt works in a thread as it does against Binance."""
    exchange = ccxt.binance()
    point(exchange, sandbox)

    def use() -> None:
        markets = exchange.load_markets()
        assert markets["BTC/USDT"]["precision"] == {
            **markets["BTC/USDT"]["precision"],
            "price": 0.01,
            "amount": 0.00001,
        }
        candles = exchange.fetch_ohlcv("BTC/USDT", "1m", limit=500)
        assert len(candles) == 500
        assert {b[0] - a[0] for a, b in pairwise(candles)} == {60_000}
        trades = exchange.fetch_trades("ETH/USDT", limit=50)
        assert len(trades) == 50
        since = trades[0]["timestamp"]
        assert exchange.fetch_trades("ETH/USDT", since=since, limit=10)[0]["timestamp"] >= since
        assert exchange.fetch_ticker("SOL/USDT")["last"] > 0
        assert len(exchange.fetch_tickers(["BTC/USDT", "ETH/USDT"])) == 2
        assert len(exchange.fetch_tickers()) == 3
        assert exchange.fetch_bids_asks(["BTC/USDT"])["BTC/USDT"]["bid"] > 0
        assert exchange.fetch_last_prices(["BTC/USDT"])["BTC/USDT"]["price"] > 0
        assert exchange.fetch_time() > 1_700_000_000_000
        with pytest.raises(ccxt.BadSymbol):
            exchange.public_get_klines({"symbol": "NOPE", "interval": "1m"})
        with pytest.raises(ccxt.BadRequest):
            exchange.public_get_klines({"symbol": "BTCUSDT", "interval": "7m"})

    await asyncio.to_thread(use)


async def test_ccxt_understands_a_ban(sandbox: Sandbox) -> None:
    """A 418 is ccxt's DDoSProtection, a 503 its OperationFailed."""
    exchange = ccxt.binance()
    point(exchange, sandbox)
    await sandbox.fault(kind="rest_status", status=418, count=1)
    with pytest.raises(ccxt.DDoSProtection):
        await asyncio.to_thread(exchange.fetch_time)
    await sandbox.fault(kind="rest_status", status=503, count=1)
    with pytest.raises(ccxt.OperationFailed):
        await asyncio.to_thread(exchange.fetch_time)


async def test_ccxt_pro_watches_trades(sandbox: Sandbox) -> None:
    """`watch_trades` gives consecutive trades."""
    async with ccxt_pro(sandbox) as exchange:
        found: list[int] = []
        async with asyncio.timeout(20):
            while len(found) < 40:
                trades = await exchange.watch_trades("BTC/USDT")
                found += [int(trade["id"]) for trade in trades]
        assert found == list(range(found[0], found[0] + len(found)))


async def test_ccxt_pro_watches_candles_and_tickers(sandbox: Sandbox) -> None:
    """`watch_ohlcv`, `watch_ticker` and `watch_tickers` speak, each on its own socket."""
    async with ccxt_pro(sandbox) as exchange, asyncio.timeout(20):
        candles = await exchange.watch_ohlcv("BTC/USDT", "1m")
        assert candles[-1][1] > 0
        ticker = await exchange.watch_ticker("ETH/USDT", {"name": "miniTicker"})
        assert ticker["last"] > 0
        tickers = await exchange.watch_tickers()
        assert tickers
        await exchange.un_watch_ohlcv("BTC/USDT", "1m")


async def test_python_binance_reads_and_listens(sandbox: Sandbox) -> None:
    """python-binance pings, pages through klines, and hears trades and combined streams."""
    client = AsyncClient()
    client.API_URL = sandbox.rest + "/api"
    try:
        await client.ping()
        assert (await client.get_exchange_info())["symbols"][0]["symbol"] == "BTCUSDT"
        rows = await client.get_historical_klines("BTCUSDT", "1h", "2 days ago UTC")
        assert len(rows) in {48, 49}
        assert len(await client.get_recent_trades(symbol="BTCUSDT", limit=20)) == 20
        assert (await client.get_avg_price(symbol="BTCUSDT"))["mins"] == 5
        manager = BinanceSocketManager(client)
        manager.STREAM_URL = sandbox.ws + "/"
        async with asyncio.timeout(20):
            async with manager.trade_socket("BTCUSDT") as socket:
                assert (await socket.recv())["e"] == "trade"
            async with manager.multiplex_socket(["btcusdt@trade", "ethusdt@trade"]) as socket:
                heard: set[str] = set()
                while heard != {"btcusdt@trade", "ethusdt@trade"}:
                    heard.add((await socket.recv())["stream"])
            async with manager.miniticker_socket() as socket:
                assert (await socket.recv())[0]["e"] == "24hrMiniTicker"
            async with manager.kline_socket("BTCUSDT", "1s") as socket:
                assert (await socket.recv())["k"]["i"] == "1s"
    finally:
        await client.close_connection()
