"""Other people's Binance clients, unmodified but for the address: on our hub, and on the sandbox.

Trades come from the exchange through feed, recorder and store; what the clients parse must be what
the exchange itself says over REST.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import asyncpg
import ccxt.pro
import pytest
from binance import AsyncClient, BinanceSocketManager
from binance_common.configuration import ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot
from msgspec import Struct
from redis.asyncio import Redis

from e2e.sandboxed import remembering
from e2e.system import ALL_ROLES, System, eventually, fetch, shared, wait
from openoutcry.adapters.postgres.times import from_us

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
PATIENCE = 90

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


class Place(Struct, frozen=True):
    """Where a client connects to; `exchange` is the REST address of the truth."""

    ws: str
    rest: str
    exchange: str

    def trades(self, symbol: str, ids: list[int]) -> list[dict[str, Any]]:
        """Return the exchange's own trades with these ids, which are consecutive."""
        query = f"symbol={symbol}&fromId={ids[0]}&limit={len(ids)}"
        rows: list[dict[str, Any]] = fetch(f"{self.exchange}/api/v3/historicalTrades?{query}")
        return rows

    def kline(self, symbol: str, interval: str, start: int) -> list[Any]:
        """Return the exchange's own candle that starts at `start` (ms)."""
        query = f"symbol={symbol}&interval={interval}&startTime={start}&limit=1"
        ((row),) = fetch(f"{self.exchange}/api/v3/klines?{query}")
        assert row[0] == start
        return list(row)


class Running(Struct):
    """The whole system, and its two places that speak Binance's streams."""

    system: System
    hub: Place
    sandbox: Place


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole system, recording the sandbox exchange."""
    folder = tmp_path_factory.mktemp("system")
    settings = remembering(folder, *SYMBOLS, sandbox_rate=60.0)
    with shared(settings, folder) as system:
        system.start(*ALL_ROLES)
        exchange = settings.binance_rest_url
        found = Running(
            system,
            hub=Place(system.hub_url, system.url, exchange),
            sandbox=Place(settings.binance_ws_url, exchange, exchange),
        )

        async def ready() -> bool:
            async with listening(found.hub, "/ws/btcusdt@trade") as client:
                heard = json.loads(await client.receive_str(timeout=30))
            return bool(heard and system.get("/api/v3/exchangeInfo")["symbols"])

        wait(lambda: eventually("the hub tells trades, the API its markets", ready))
        yield found


@pytest.fixture(params=["hub", "sandbox"])
def place(running: Running, request: pytest.FixtureRequest) -> Place:
    """Our hub, and the exchange itself: clients must see no difference."""
    return running.hub if request.param == "hub" else running.sandbox


@asynccontextmanager
async def listening(place: Place, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Open a plain connection."""
    async with aiohttp.ClientSession() as http, http.ws_connect(place.ws + path) as client:
        yield client


@asynccontextmanager
async def ccxt_pro(place: Place) -> AsyncIterator[Any]:
    """Return ccxt.pro's Binance with other addresses."""
    exchange = ccxt.pro.binance({"newUpdates": True})
    api = exchange.urls["api"]
    api["public"] = place.rest + "/api/v3"
    api["fapiPublic"] = place.rest + "/fapi/v1"
    api["dapiPublic"] = place.rest + "/dapi/v1"
    api["ws"]["spot"] = place.ws + "/ws"
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_ccxt_pro_watches_trades(place: Place) -> None:
    """The trades that ccxt parses are consecutive and equal the exchange's own, field by field."""
    found: list[Any] = []
    async with ccxt_pro(place) as exchange, asyncio.timeout(PATIENCE):
        while len(found) < 60:
            found += await exchange.watch_trades("BTC/USDT")
        await exchange.un_watch_trades("BTC/USDT")
    ids = [int(trade["id"]) for trade in found]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    for trade, theirs in zip(found, place.trades("BTCUSDT", ids), strict=True):
        assert int(trade["id"]) == theirs["id"]
        assert trade["timestamp"] == theirs["time"]
        assert (trade["price"], trade["amount"]) == (float(theirs["price"]), float(theirs["qty"]))
        assert trade["side"] == ("sell" if theirs["isBuyerMaker"] else "buy")


async def test_ccxt_pro_watches_candles_and_tickers(place: Place) -> None:
    """Candles move on, each once; tickers of one symbol and of all come; un_watch ends them."""
    async with ccxt_pro(place) as exchange, asyncio.timeout(PATIENCE):
        candles: dict[int, list[float]] = {}
        while len(candles) < 4:
            for row in await exchange.watch_ohlcv("BTC/USDT", "1s"):
                candles[row[0]] = row
        times = list(candles)
        assert {b - a for a, b in pairwise(times)} == {1000}
        start, *figures = candles[times[-2]]
        theirs = place.kline("BTCUSDT", "1s", int(start))
        assert figures == [float(text) for text in theirs[1:6]]
        await exchange.un_watch_ohlcv("BTC/USDT", "1s")
        for name in ("ticker", "miniTicker"):
            ticker = await exchange.watch_ticker("ETH/USDT", {"name": name})
            assert ticker["last"] > 0
            assert ticker["high"] >= ticker["last"] >= ticker["low"]
        heard: set[str] = set()
        while not heard >= {"BTC/USDT", "ETH/USDT"}:
            heard |= (await exchange.watch_tickers(None, {"name": "miniTicker"})).keys()
        await exchange.un_watch_ticker("ETH/USDT", {"name": "miniTicker"})
        assert (await exchange.watch_bids_asks(["BTC/USDT"]))["BTC/USDT"]["bid"] > 0


async def test_python_binance_listens(place: Place) -> None:
    """Every socket that python-binance has for these streams speaks."""
    client = AsyncClient()
    manager = BinanceSocketManager(client)
    manager.STREAM_URL = place.ws + "/"
    try:
        async with asyncio.timeout(PATIENCE):
            async with manager.trade_socket("BTCUSDT") as stream:
                assert (await stream.recv())["e"] == "trade"
            async with manager.aggtrade_socket("BTCUSDT") as stream:
                found = [await stream.recv() for _ in range(20)]
            assert all(a["l"] + 1 == b["f"] for a, b in pairwise(found))
            for aggregate in found:
                ids = list(range(aggregate["f"], aggregate["l"] + 1))
                parts = place.trades("BTCUSDT", ids)
                assert {part["price"] for part in parts} == {aggregate["p"]}
                assert {part["time"] for part in parts} == {aggregate["T"]}
                assert sum(Decimal(part["qty"]) for part in parts) == Decimal(aggregate["q"])
            async with manager.multiplex_socket(["btcusdt@trade", "ethusdt@trade"]) as stream:
                missing = {"btcusdt@trade", "ethusdt@trade"}
                while missing:
                    missing.discard((await stream.recv())["stream"])
            async with manager.miniticker_socket() as stream:
                assert (await stream.recv())[0]["e"] == "24hrMiniTicker"
            async with manager.symbol_ticker_socket("BTCUSDT") as stream:
                assert (await stream.recv())["e"] == "24hrTicker"
            async with manager.symbol_miniticker_socket("BTCUSDT") as stream:
                assert (await stream.recv())["e"] == "24hrMiniTicker"
            async with manager.symbol_book_ticker_socket("BTCUSDT") as stream:
                book = await stream.recv()
                assert Decimal(book["b"]) < Decimal(book["a"])
            async with manager.kline_socket("BTCUSDT", "1s") as stream:
                await assert_klines(place, stream.recv)
    finally:
        await client.close_connection()


async def assert_klines(place: Place, receive: Callable[[], Awaitable[Any]]) -> None:
    """Check that candles end once each, in order, and as the exchange's own."""
    over: list[dict[str, Any]] = []
    while len(over) < 6:
        kline = (await receive())["k"]
        assert not over or kline["t"] >= over[-1]["t"] + 1000
        if kline["x"]:
            over.append(kline)
    for kline in over:
        theirs = place.kline("BTCUSDT", "1s", kline["t"])
        assert [kline[key] for key in "otohlcv"][2:] == theirs[1:6]
        assert [kline[key] for key in "TqnVQ"] == theirs[6:11]
        if kline["n"]:
            ids = list(range(kline["f"], kline["L"] + 1))
            assert len(ids) == kline["n"]
            times = [trade["time"] for trade in place.trades("BTCUSDT", ids)]
            assert kline["t"] <= min(times) <= max(times) <= kline["T"]


async def test_the_connector_listens(place: Place) -> None:
    """Binance's own connector subscribes, lists, parses into its models, and unsubscribes."""
    client = Spot(config_ws_streams=ConfigurationWebSocketStreams(stream_url=place.ws + "/stream"))
    connection = await client.websocket_streams.create_connection()  # type: ignore[no-untyped-call]
    heard: dict[str, asyncio.Queue[Any]] = {}

    async def listen(name: str, **arguments: Any) -> Any:
        stream = await getattr(connection, name)(**arguments)
        messages = heard[name] = asyncio.Queue()
        stream.on("message", messages.put_nowait)
        return stream

    try:
        async with asyncio.timeout(PATIENCE):
            streams = [
                await listen("trade", symbol="btcusdt"),
                await listen("agg_trade", symbol="btcusdt"),
                await listen("kline", symbol="btcusdt", interval="1m"),
                await listen("mini_ticker", symbol="ethusdt"),
                await listen("ticker", symbol="ethusdt"),
                await listen("book_ticker", symbol="btcusdt"),
                await listen("all_mini_ticker"),
            ]
            trade = await heard["trade"].get()
            (theirs,) = place.trades("BTCUSDT", [trade.t])
            assert (trade.p, trade.q, trade.m) == (
                theirs["price"],
                theirs["qty"],
                theirs["isBuyerMaker"],
            )
            assert (await heard["agg_trade"].get()).s == "BTCUSDT"
            assert (await heard["kline"].get()).k.i == "1m"
            assert (await heard["mini_ticker"].get()).s == "ETHUSDT"
            assert (await heard["ticker"].get()).s == "ETHUSDT"
            assert (await heard["book_ticker"].get()).s == "BTCUSDT"
            assert await heard["all_mini_ticker"].get()
            for stream in streams:
                await stream.unsubscribe()
    finally:
        await connection.close_connection(close_session=True)


async def test_tickers_are_exact_to_the_trade(running: Running) -> None:
    """A ticker's figures are those of the stored trades in just its window, counted one by one."""
    path = "/stream?streams=btcusdt@ticker/!miniTicker@arr&timeUnit=MICROSECOND"
    full: list[dict[str, Any]] = []
    minis: dict[int, dict[str, Any]] = {}
    async with listening(running.hub, path) as client, asyncio.timeout(PATIENCE):
        while len(full) < 4 or full[-1]["E"] not in minis:
            message = json.loads(await client.receive_str())
            if message["stream"] == "btcusdt@ticker":
                full.append(message["data"])
            else:
                minis |= {one["E"]: one for one in message["data"] if one["s"] == "BTCUSDT"}
    connection = await asyncpg.connect(running.system.database_url)
    for ticker in full:
        row = await connection.fetchrow(
            "SELECT count(*) AS n, sum(size) AS v, sum(price * size) AS q, max(price) AS h,"
            " min(price) AS l, min(trade_id) AS f, max(trade_id) AS last FROM trades"
            " JOIN instruments ON instruments.id = instrument_id"
            " WHERE symbol = 'BTCUSDT' AND venue_time BETWEEN $1 AND $2 AND trade_id <= $3",
            *(from_us(ticker["O"]), from_us(ticker["C"]), ticker["L"]),
        )
        assert (ticker["n"], ticker["F"], ticker["L"]) == (row["n"], row["f"], row["last"])
        assert [Decimal(ticker[key]) for key in "vqhl"] == [row[key] for key in "vqhl"]
        mini = minis[ticker["E"]]
        assert [mini[key] for key in "cohlvq"] == [ticker[key] for key in "cohlvq"]
    await connection.close()


async def test_a_hub_cut_off_from_the_bus_loses_and_doubles_nothing(running: Running) -> None:
    """Its connection to Valkey is cut again and again: the ids go on one by one."""
    valkey = Redis.from_url(running.system.engines.valkey_url)
    ids: list[int] = []
    async with listening(running.hub, "/ws/btcusdt@trade") as client, asyncio.timeout(PATIENCE):
        for _ in range(4):
            since = len(ids)
            while len(ids) < since + 60:
                ids.append(json.loads(await client.receive_str())["t"])
            await valkey.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.5)
        since = len(ids)
        while len(ids) < since + 60:
            ids.append(json.loads(await client.receive_str())["t"])
    await valkey.aclose()
    assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_whatever_dies_the_ids_ascend_and_each_candle_ends_once(running: Running) -> None:
    """Recorder, Valkey and PostgreSQL are killed under a listener, who hears nothing twice."""
    system = running.system
    ids: list[int] = []
    ends: list[int] = []

    async def listen(client: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            data = json.loads(await client.receive_str())["data"]
            if data["e"] == "trade":
                ids.append(data["t"])
            elif data["k"]["x"]:
                ends.append(data["k"]["t"])

    async def goes_on() -> None:
        """Wait for news of both kinds."""
        seen, over = len(ids), len(ends)

        async def heard() -> bool:
            return len(ids) > seen + 20 and len(ends) > over + 1

        await eventually("trades and candles go on", heard)

    path = "/stream?streams=ethusdt@trade/ethusdt@kline_1s"
    async with listening(running.hub, path) as client:
        listener = asyncio.create_task(listen(client))
        await goes_on()
        system.restart("recorder")
        await goes_on()
        system.engines.kill_valkey()
        await system.engines.restart_valkey()
        await goes_on()
        system.engines.kill_postgres()
        await system.engines.restart_postgres()
        await goes_on()
        listener.cancel()
    assert ids == sorted(set(ids))
    assert ends == sorted(set(ends))


async def test_a_restarted_hub(running: Running) -> None:
    """Clients are told before a hub stops, and ccxt finds its successor by itself."""
    system = running.system
    async with ccxt_pro(running.hub) as exchange, listening(running.hub, "/stream") as client:
        before = await exchange.watch_trades("BTC/USDT")
        system.kill("hub", signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            assert json.loads(await client.receive_str())["stream"] == "!serverShutdown"
            assert (await client.receive()).type is aiohttp.WSMsgType.CLOSE
            assert client.close_code == 3001
        system._processes["hub"].wait(30)
        system.start("hub")

        async def back() -> Any:
            with suppress(ccxt.NetworkError):
                return await asyncio.wait_for(exchange.watch_trades("BTC/USDT"), 5)

        after = await eventually("ccxt hears trades again", back)
        assert int(after[0]["id"]) > int(before[-1]["id"])
