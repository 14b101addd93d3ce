"""Other people's clients listening to Binance's streams at one place, each in its own way."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
from binance import AsyncClient, BinanceSocketManager
from binance.ws.constants import WSListenerState
from binance_common.configuration import ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot
from msgspec import Struct

PLENTY = 200_000
"""Messages that a client may keep: none may be lost in the client itself."""


class Place(Struct, frozen=True):
    """Where a client connects to."""

    name: str
    rest: str
    ws: str

    def ccxt_urls(self) -> dict[str, Any]:
        """Return what is given to ccxt in place of Binance's addresses."""
        addresses = {
            "public": f"{self.rest}/api/v3",
            "fapiPublic": f"{self.rest}/fapi/v1",
            "dapiPublic": f"{self.rest}/dapi/v1",
            "ws": {"spot": f"{self.ws}/ws"},
        }
        return {"urls": {"api": addresses}}


class Heard:
    """What the clients at one place have heard, by client and call, in order."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.said: dict[str, list[Any]] = defaultdict(list)
        self.last: dict[str, int] = {}
        """The last trade id (of BTCUSDT) that each client of trades has heard."""
        self.tasks: list[asyncio.Task[None]] = []

    def note(self, call: str, message: Any) -> None:
        """Keep a message as the client gave it."""
        self.said[call].append(message)

    def trade(self, call: str, message: Any, number: int) -> None:
        """Keep a trade."""
        self.note(call, message)
        self.last[call] = number

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Listen beside everything else."""
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    def check(self) -> None:
        """Raise what broke a listener."""
        for task in self.tasks:
            if task.done():
                task.result()


@asynccontextmanager
async def listening(place: Place) -> AsyncIterator[Heard]:
    """Subscribe every client to everything; at the end each takes its subscriptions back."""
    heard = Heard(place)
    async with AsyncExitStack() as stack:
        exchange = ccxt.pro.binance(place.ccxt_urls() | {"options": {"tradesLimit": PLENTY}})
        stack.push_async_callback(exchange.close)
        await exchange.load_markets()
        watching = _ccxt_pro(heard, exchange)
        await _python_binance(heard, stack)
        await _connector(heard, stack)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        for path in ("/ws", "/stream"):
            socket = await stack.enter_async_context(http.ws_connect(place.ws + path))
            await _bare(heard, path, socket)
        yield heard
        heard.check()
        # What came while nobody was watching, ccxt gives with the next trade; there is none.
        told = heard.last["ccxt.watch_trades"]
        rest = [one for one in exchange.trades["BTC/USDT"] if int(one["id"]) > told]
        heard.said["ccxt.watch_trades"] += rest
        async with asyncio.timeout(30):
            await exchange.un_watch_trades("BTC/USDT")
            await exchange.un_watch_ohlcv("BTC/USDT", "1m")
            await exchange.un_watch_ticker("BTC/USDT", {"name": "miniTicker"})
            await exchange.un_watch_tickers(None, {"name": "miniTicker"})
            await asyncio.gather(*watching)  # ends each `watch_...` that was waiting
        for task in heard.tasks:
            task.cancel()
        await asyncio.gather(*heard.tasks, return_exceptions=True)


def _ccxt_pro(heard: Heard, exchange: Any) -> list[asyncio.Task[None]]:
    mini = {"name": "miniTicker"}

    async def again(call: str, watch: Callable[[], Awaitable[Any]]) -> None:
        with suppress(ccxt.UnsubscribeError):
            while True:
                message = await watch()
                # ccxt goes on changing what it gave: keep it as it is now.
                heard.note(call, json.loads(json.dumps(message)))

    async def trades() -> None:
        with suppress(ccxt.UnsubscribeError):
            while True:
                for trade in await exchange.watch_trades("BTC/USDT"):
                    heard.trade("ccxt.watch_trades", trade, int(trade["id"]))

    return [
        heard.start(work)
        for work in (
            trades(),
            again("ccxt.watch_ohlcv", lambda: exchange.watch_ohlcv("BTC/USDT", "1m")),
            again("ccxt.watch_ticker", lambda: exchange.watch_ticker("BTC/USDT", mini)),
            again("ccxt.watch_tickers", lambda: exchange.watch_tickers(None, mini)),
        )
    ]


async def _python_binance(heard: Heard, stack: AsyncExitStack) -> None:
    client = AsyncClient()
    client.API_URL = f"{heard.place.rest}/api"
    stack.push_async_callback(client.close_connection)
    sockets = BinanceSocketManager(client, max_queue_size=PLENTY)
    sockets.STREAM_URL = f"{heard.place.ws}/"

    async def listen_on(opening: Any) -> Any:
        opened = await stack.enter_async_context(opening)
        stack.push_async_callback(_hang_up, opened)
        return opened

    raw = await listen_on(sockets.trade_socket("BTCUSDT"))
    names = ["btcusdt@trade", "btcusdt@kline_1m", "btcusdt@bookTicker"]
    combined = await listen_on(sockets.multiplex_socket(names))
    minis = await listen_on(sockets.miniticker_socket())

    async def hear_raw() -> None:
        while True:
            message = await raw.recv()
            heard.trade("python-binance.raw", message, message["t"])

    async def hear_combined() -> None:
        while True:
            message = await combined.recv()
            stream, data = message["stream"], message["data"]
            call = f"python-binance.{stream.partition('@')[2]}"
            if stream == "btcusdt@trade":
                heard.trade(call, data, data["t"])
            else:
                heard.note(call, data)

    async def hear_minis() -> None:
        while True:
            heard.note("python-binance.minis", await minis.recv())

    for work in (hear_raw(), hear_combined(), hear_minis()):
        heard.start(work)


async def _hang_up(stream: Any) -> None:
    """End a connection of python-binance, which otherwise waits ten seconds for one more message."""
    stream.ws_state = WSListenerState.EXITING
    await stream.ws.close()


async def _connector(heard: Heard, stack: AsyncExitStack) -> None:
    url = f"{heard.place.ws}/stream"
    client: Any = Spot(config_ws_streams=ConfigurationWebSocketStreams(stream_url=url))
    connection = await client.websocket_streams.create_connection()
    stack.push_async_callback(connection.close_connection, close_session=True)
    trades = await connection.trade(symbol="btcusdt")
    trades.on("message", lambda one: heard.trade("connector.trade", one, one.t))
    for call, stream in (
        ("connector.kline", await connection.kline(symbol="btcusdt", interval="1m")),
        ("connector.all_mini_ticker", await connection.all_mini_ticker()),
        ("connector.book_ticker", await connection.book_ticker(symbol="btcusdt")),
    ):
        stream.on("message", lambda one, call=call: heard.note(call, one))


async def _bare(heard: Heard, path: str, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Speak as binance-connector 3.x does: a bare path, then a request with the time as its id."""
    number = time.time_ns() // 1_000_000
    streams = ["btcusdt@trade", "!miniTicker@arr"]
    await socket.send_json({"method": "SUBSCRIBE", "params": streams, "id": number})
    reply = await socket.receive_json()
    assert reply == {"result": None, "id": number}
    await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number + 1})

    async def hear() -> None:
        while True:
            message = await socket.receive_json()
            if "result" in message:
                heard.note(f"bare{path}.list", message)
                continue
            data = message["data"] if path == "/stream" else message
            if isinstance(data, list):
                heard.note(f"bare{path}.minis", data)
            else:
                heard.trade(f"bare{path}", data, data["t"])

    heard.start(hear())
