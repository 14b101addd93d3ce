"""Binance's streams on a real hub, over real sockets, with the bus in the test's hands."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import numpy as np
import pytest

from hubkit import Hub, LocalBus, LocalStore, StartHub, quote
from openoutcry.core import frames
from openoutcry.core.candle_messages import BaseCandles
from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.intervals import DAY, MINUTE, SECOND
from openoutcry.core.tickers import BookTop, Ticker
from openoutcry.model import Candle, Side, Trade
from openoutcry.venues.binance_server_data import Bar
from openoutcry.web.hub.server import Server

pytest_plugins = ["hubkit"]
D = Decimal
NOW = 1_790_000_000 * SECOND


def tape(*trades: tuple[int, int, int, int]) -> bytes:
    """Return a frame of trades: id, ms after NOW, price in cents, side."""
    rows = [(NOW + ms * 1000, 0, id_, price, 100, 1, side) for id_, ms, price, side in trades]
    return frames.encode(
        frames.Frame(
            frames.FrameKind.TRADES,
            0,
            np.array([(1, 2, 2)], frames.SCALE),
            frames.empty(frames.MARK),
            np.array(rows, frames.TRADE),
        )
    )


def plain(*ids: int) -> bytes:
    """Return a frame of trades, each an order of its own."""
    return tape(*((id_, id_, 150, 1) for id_ in ids))


def stored(id_: int) -> Trade:
    return Trade("binance", "BTCUSDT", id_, D("1.50"), D("1.00"), Side.BUY, NOW + id_ * 1000, NOW)


def bar(last: int, trades: int = 10) -> Bar:
    return Bar(
        0, 0, D(2), D(4), D(1), D(3), D(10), D(25), trades, D(4), D(12), last - trades + 1, last
    )


def candles(base: str, *rows: Candle, known: int = 0) -> bytes:
    coverage = Coverage((Span(0, 0, known),) if known else ())
    return msgspec.json.encode(BaseCandles("BTCUSDT", {base: list(rows)}, coverage))


def row(bucket: int, trades: int, close: str = "1") -> Candle:
    return Candle(
        bucket, D(1), D(9), D(1), D(close), D(trades), D(5), trades, D(0), D(0), False, 1, trades
    )


class Ears:
    """A client that reads JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, method: str, *params: Any, id_: Any = 1) -> Any:
        """Send a request and return its reply, which must be what comes next."""
        request = {"method": method, "id": id_} | ({"params": list(params)} if params else {})
        await self.socket.send_str(json.dumps(request))
        return await self.next()

    async def next(self, timeout: float = 10) -> Any:
        """Return the next message."""
        return json.loads(await self.socket.receive_str(timeout=timeout))

    async def silent(self, seconds: float = 0.3) -> None:
        """See that nothing comes."""
        with pytest.raises(TimeoutError):
            await self.next(seconds)


@asynccontextmanager
async def ears(hub: Hub, path: str) -> AsyncIterator[Ears]:
    """Open a connection; the hub has caught up with it when this returns."""
    async with aiohttp.ClientSession() as session, await hub.connect(session, path) as opened:
        for _ in range(20):  # many short times: one in which all stands still is not enough
            await asyncio.sleep(0.005)
        yield Ears(opened)


@pytest.fixture
async def hub(start_hub: StartHub) -> Hub:
    """A hub whose store has one trade, with id 10."""
    store = LocalStore()
    store.trades = [stored(10)]
    return await start_hub(store=store)


async def test_trades_raw_and_combined_in_ms_and_us(hub: Hub) -> None:
    """Every way of asking for a stream gets the same trades, in its own wrapping and unit."""
    async with (
        ears(hub, "/ws/btcusdt@trade") as raw,
        ears(hub, "/stream?streams=btcusdt@trade/ethusdt@trade") as combined,
        ears(hub, "/ws/btcusdt@trade?timeUnit=MICROSECOND") as micro,
        ears(hub, "/stream") as bare,
        ears(hub, "/ws/1") as numbered,
    ):
        for client in (bare, numbered):
            assert await client.ask("SUBSCRIBE", "btcusdt@trade", id_=1790000000123) == {
                "result": None,
                "id": 1790000000123,
            }
        hub.bus.say("trades:BTCUSDT", tape((11, 5, 150, 1), (12, 6, 151, -1)))
        first, second = await raw.next(), await raw.next()
        assert (first["e"], first["s"], first["t"]) == ("trade", "BTCUSDT", 11)
        assert (first["p"], first["q"], first["m"]) == ("1.50000000", "1.00000000", False)
        assert (second["t"], second["m"], second["M"]) == (12, True, True)
        assert first["T"] == NOW // 1000 + 5
        wrapped = [await combined.next(), await combined.next()]
        assert wrapped == [{"stream": "btcusdt@trade", "data": data} for data in (first, second)]
        assert (await micro.next())["T"] == NOW + 5000
        assert await bare.next() == wrapped[0]
        assert await numbered.next() == first


async def test_the_conversation(hub: Hub) -> None:
    """Subscribing, listing, properties and unsubscribing hold from the reply on."""
    async with ears(hub, "/ws") as client:
        assert await client.ask("SUBSCRIBE", "btcusdt@trade", "nope@trade", "btcusdt@depth") == {
            "result": None,
            "id": 1,
        }
        names = ["btcusdt@trade", "nope@trade", "btcusdt@depth"]
        assert (await client.ask("LIST_SUBSCRIPTIONS"))["result"] == names
        hub.bus.say("trades:BTCUSDT", plain(11))
        assert (await client.next())["t"] == 11
        assert (await client.ask("GET_PROPERTY", "combined"))["result"] is False
        assert (await client.ask("SET_PROPERTY", "combined", True))["result"] is None
        hub.bus.say("trades:BTCUSDT", plain(12))
        assert (await client.next())["data"]["t"] == 12
        assert (await client.ask("UNSUBSCRIBE", "btcusdt@trade"))["result"] is None
        assert "trades:BTCUSDT" not in hub.bus.wanted
        assert (await client.ask("LIST_SUBSCRIPTIONS"))["result"] == names[1:]
        assert "error" in await client.ask("SUBSCRIBE", "no stream")
        assert "error" in await client.ask("DANCE")
        await client.socket.send_str("{")
        assert "error" in await client.next()


async def test_streams_are_made_for_listeners_only(hub: Hub) -> None:
    """The bus is asked for nothing that nobody hears, also after clients that just vanish."""
    quiet = dict(hub.bus.wanted)
    names = [
        f"btcusdt@{kind}" for kind in ("trade", "aggTrade", "kline_1m", "ticker", "bookTicker")
    ]
    async with ears(hub, "/stream?streams=" + "/".join([*names, "!miniTicker@arr"])):
        assert {"trades:BTCUSDT", "trades:ETHUSDT", "candles:BTCUSDT"} < hub.bus.wanted.keys()
        assert hub.bus.wanted["book:BTCUSDT"] == 1
    for _ in range(100):
        if hub.bus.wanted == quiet:
            break
        await asyncio.sleep(0.02)
    assert hub.bus.wanted == quiet


async def test_an_aggregate_that_comes_in_pieces_is_one(hub: Hub) -> None:
    """Trades of one order are told together, though two commits brought them."""
    async with ears(hub, "/ws/btcusdt@aggTrade") as client:
        hub.bus.say("trades:BTCUSDT", tape((11, 5, 150, 1), (12, 5, 150, 1)))
        hub.bus.say("trades:BTCUSDT", tape((13, 5, 150, 1), (14, 5, 151, 1)))
        first, second = await client.next(), await client.next()
        assert (first["a"], first["f"], first["l"], first["q"]) == (11, 11, 13, "3.00000000")
        assert (second["a"], second["f"], second["l"], second["p"]) == (14, 14, 14, "1.51000000")


async def test_what_the_bus_lost_comes_from_the_store(hub: Hub) -> None:
    """A jump in the ids is filled before the next trade, and after a reconnect without one."""
    async with ears(hub, "/ws/btcusdt@trade") as client:
        hub.store.trades = [stored(id_) for id_ in range(10, 14)]
        hub.bus.say("trades:BTCUSDT", plain(14))
        assert [(await client.next())["t"] for _ in range(4)] == [11, 12, 13, 14]
        hub.store.trades = [stored(id_) for id_ in range(10, 17)]
        await hub.bus.sink.on_connected()
        hub.bus.say("trades:BTCUSDT", plain(16))
        assert [(await client.next())["t"] for _ in range(2)] == [15, 16]
        hub.bus.say("trades:BTCUSDT", plain(15, 16, 17))
        assert (await client.next())["t"] == 17


async def test_a_store_that_is_away_holds_trades_back_until_it_is_known_where_to_begin(
    start_hub: StartHub,
) -> None:
    """Nothing is told that was before; when the store is back, what came meanwhile is."""
    store = LocalStore()
    store.trades, store.away = [stored(10)], True
    hub = await start_hub(store=store)
    async with ears(hub, "/ws/btcusdt@trade") as client:
        hub.bus.say("trades:BTCUSDT", plain(9, 10, 11))
        await client.silent()
        store.away = False
        assert (await client.next())["t"] == 11


async def test_klines_tell_changes_and_each_end_once(hub: Hub) -> None:
    """A minute: its changes, then exactly one message that it is over, then the next."""
    minute = Server.clock() // MINUTE * MINUTE
    hub.store.rows = [row(minute - MINUTE, 4), row(minute, 2)]
    async with ears(hub, "/ws/btcusdt@kline_1m") as client:
        first = (await client.next())["k"]
        assert (first["t"], first["T"]) == (minute // 1000, (minute + MINUTE) // 1000 - 1)
        assert (first["n"], first["x"], first["f"], first["L"]) == (2, False, 1, 2)
        following = minute + MINUTE
        known = following + SECOND
        hub.bus.say("candles:BTCUSDT", candles("1m", row(minute, 5, "7"), known=known))
        hub.bus.say("candles:BTCUSDT", candles("1m", row(following, 1, "8"), known=known))
        over, current = (await client.next())["k"], (await client.next())["k"]
        assert (over["t"], over["x"], over["n"], over["c"]) == (
            minute // 1000,
            True,
            5,
            "7.00000000",
        )
        assert (current["t"], current["x"], current["c"]) == (
            following // 1000,
            False,
            "8.00000000",
        )
        hub.bus.say("candles:BTCUSDT", candles("1m", row(minute, 6, "7"), known=known))
        await client.silent(1.5)


async def test_tickers_are_the_stores_windows_and_asked_for_together(hub: Hub) -> None:
    """One question a second for all symbols that traded; the numbers are the store's."""
    hub.store.bars = {"BTCUSDT": bar(10), "ETHUSDT": bar(20)}
    path = "/stream?streams=btcusdt@ticker/btcusdt@miniTicker/!miniTicker@arr"
    hub.bus.say("market:BTCUSDT", quote("BTCUSDT", 3))
    async with ears(hub, path) as client:
        heard = {}
        for _ in range(3):
            message = await client.next()
            heard[message["stream"]] = message["data"]
        full = heard["btcusdt@ticker"]
        assert (full["o"], full["c"], full["p"], full["P"]) == (
            *("2.00000000", "3.00000000", "1.00000000"),
            "50.000",
        )
        assert (full["F"], full["L"], full["n"], full["Q"]) == (1, 10, 10, "1.00000000")
        assert (full["b"], full["B"]) == ("3.10000000", "0.00000000")
        assert full["C"] - full["O"] == DAY // 1000
        assert [one["s"] for one in heard["!miniTicker@arr"]] == ["BTCUSDT", "ETHUSDT"]
        assert heard["btcusdt@miniTicker"] == heard["!miniTicker@arr"][0]
        assert hub.store.asked == [("BTCUSDT", "ETHUSDT")]
        await client.silent(1.5)
        hub.store.bars["ETHUSDT"] = bar(21, 11)
        hub.bus.say("trades:ETHUSDT", plain(21))
        message = await client.next()
        assert [one["s"] for one in message["data"]] == ["ETHUSDT"]
        assert hub.store.asked[1:] == [("ETHUSDT",)]


async def test_the_array_has_symbols_that_are_not_recorded(hub: Hub) -> None:
    """Their tickers are the venue's own, digit for digit; those of recorded symbols are ours."""

    def ticker(symbol: str, price: str) -> Ticker:
        return Ticker(symbol, price, "1", "2", "0.5", "7", "8", NOW)

    hub.store.bars = {"BTCUSDT": bar(10)}
    async with ears(hub, "/ws/!miniTicker@arr") as client:
        assert [one["s"] for one in await client.next()] == ["BTCUSDT"]
        told = [ticker("PEPEUSDT", "0.0000110"), ticker("BTCUSDT", "9")]
        hub.bus.say("tickers", msgspec.json.encode(told))
        (other,) = await client.next()
        assert other == {
            "e": "24hrMiniTicker",
            "E": NOW // 1000,
            "s": "PEPEUSDT",
            "c": "0.0000110",
            "o": "1",
            "h": "2",
            "l": "0.5",
            "v": "7",
            "q": "8",
        }
        await client.silent(1.5)


async def test_best_prices_are_the_venues_where_they_are_heard(hub: Hub) -> None:
    """Until a real book is known, quotes with sizes of zero; then only real ones, on change."""

    def book(update: int, bid: str) -> bytes:
        return msgspec.json.encode(BookTop("BTCUSDT", update, bid, "5", "9", "6", 1))

    async with ears(hub, "/ws/btcusdt@bookTicker") as client:
        hub.bus.say("market:BTCUSDT", quote("BTCUSDT", 3))
        first = await client.next()
        assert (first["b"], first["B"], first["a"]) == ("3.10000000", "0.00000000", "3.20000000")
        hub.bus.say("book:BTCUSDT", book(7, "2"))
        second = await client.next()
        assert second == {
            "u": 7,
            "s": "BTCUSDT",
            "b": "2.00000000",
            "B": "5.00000000",
            "a": "9.00000000",
            "A": "6.00000000",
        }
        hub.bus.say("market:BTCUSDT", quote("BTCUSDT", 4))
        hub.bus.say("book:BTCUSDT", book(8, "2.0"))
        hub.bus.say("book:BTCUSDT", book(9, "3"))
        assert (await client.next())["u"] == 9


async def test_the_last_known_book_is_read(start_hub: StartHub) -> None:
    """A listener of a quiet market need not wait for its next change."""
    bus = LocalBus()
    bus.books["BTCUSDT"] = msgspec.json.encode(BookTop("BTCUSDT", 7, "2", "5", "9", "6", 1))
    hub = await start_hub(bus=bus)
    async with ears(hub, "/ws/btcusdt@bookTicker") as client:
        assert (await client.next())["u"] == 7


async def test_nonsense_on_the_bus_harms_nothing(hub: Hub) -> None:
    """A message that cannot be read is counted and left out."""
    async with ears(hub, "/stream?streams=btcusdt@trade/btcusdt@bookTicker") as client:
        for channel in ("trades:BTCUSDT", "book:BTCUSDT", "market:BTCUSDT"):
            hub.bus.say(channel, b"{}")
        hub.bus.say("book:BTCUSDT", msgspec.json.encode(BookTop("BTCUSDT", 1, "x", "", "", "", 1)))
        hub.bus.say("trades:BTCUSDT", plain(11))
        assert (await client.next())["data"]["t"] == 11
        assert hub.meter.status()[0]["bad_messages"] >= 4


async def test_pings_tell_the_market_time_and_want_an_answer(start_hub: StartHub) -> None:
    """The payload is the market's ms; who does not answer is closed."""
    hub = await start_hub(replay=True, binance_ping_seconds=0.2, binance_pong_seconds=0.6)
    hub.bus.say("market:BTCUSDT", quote("BTCUSDT", 1))
    newest = hub.server.binance.now()
    async with (
        aiohttp.ClientSession() as session,
        await hub.connect(session, "/ws", autoping=False) as client,
    ):
        message = await client.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.PING
        assert int(message.data) == newest // 1000
        assert (await client.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
        assert client.close_code == 3012


async def test_a_replay_has_a_time_of_its_own(start_hub: StartHub) -> None:
    """Events of a recording bear the newest time heard, in quotes or trades, not the wall clock's."""
    store = LocalStore()
    store.trades = [stored(10)]
    hub = await start_hub(store=store, replay=True)
    async with ears(hub, "/ws/btcusdt@trade") as client:
        old = b'{"symbol":"BTCUSDT","originalPrice":"1","bidPrice":"1","askPrice":"1",'
        hub.bus.say("market:BTCUSDT", old + b'"timestamp":1723161255342}')
        assert hub.server.binance.now() == 1723161255342_000
        hub.bus.say("trades:BTCUSDT", plain(11))
        told = await client.next()
        assert told["E"] == told["T"] > 1723161255342
        hub.bus.say("market:BTCUSDT", old + b'"timestamp":1723161255343}')
        assert hub.server.binance.now() == told["T"] * 1000


async def test_too_many_messages_and_streams(start_hub: StartHub) -> None:
    """A client above its rate is closed with 1008; more than 1,024 streams are refused."""
    hub = await start_hub(binance_messages=5)
    async with ears(hub, "/ws") as client:
        names = [f"s{number}@trade" for number in range(1024)]
        assert (await client.ask("SUBSCRIBE", *names))["result"] is None
        assert "error" in await client.ask("SUBSCRIBE", "one@trade")
        for _ in range(8):
            await client.socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        while (message := await client.socket.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert client.socket.close_code == 1008
    async with ears(hub, "/stream?streams=" + "/".join(names)) as client:
        assert (await client.ask("LIST_SUBSCRIPTIONS"))["result"] == names


@pytest.mark.parametrize("path", ["/wsx", "/api", "/stream/x"])
async def test_there_is_nothing_at_other_paths(hub: Hub, path: str) -> None:
    """Other paths are refused, and so are pages of foreign origins on these."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await hub.connect(session, path)
        assert refusal.value.status == 404
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await hub.connect(session, "/ws", headers={"Origin": "https://elsewhere.example"})
        assert refusal.value.status == 403


async def stuck(hub: Hub, path: str) -> socket.socket:
    """Return a WebSocket that nobody reads from."""
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.connect(("127.0.0.1", hub.port))
    silent.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(
        silent,
        b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        % path.encode(),
    )
    await asyncio.sleep(0.2)
    return silent


async def test_a_slow_client_loses_no_trade_without_being_told(start_hub: StartHub) -> None:
    """Who does not read is closed with 3008 when its bound is passed; others lose nothing."""
    store = LocalStore()
    store.trades = [stored(10)]
    hub = await start_hub(store=store, outbox_bytes=100_000)
    slow = await stuck(hub, "/ws/btcusdt@trade")
    try:
        async with ears(hub, "/ws/btcusdt@trade") as client:
            told: list[int] = []
            at = 11
            while not hub.meter.status()[0]["closed_3008"]:
                hub.bus.say("trades:BTCUSDT", plain(*range(at, at + 500)))
                at += 500
                told += [(await client.next())["t"] for _ in range(500)]
                assert at < 200_000
            assert told == list(range(11, at))
            assert hub.server.fanout.paused == 0
    finally:
        slow.close()


async def test_a_slow_client_gets_the_latest_of_the_rest(start_hub: StartHub) -> None:
    """Best prices conflate: a client that did not read hears the newest, and stays."""
    hub = await start_hub()
    slow = await stuck(hub, "/ws/btcusdt@bookTicker")
    try:
        for number in range(20_000):
            hub.bus.say("market:BTCUSDT", quote("BTCUSDT", number))
            if number % 200 == 0:
                await asyncio.sleep(0)
        assert hub.server.fanout.paused == 1
        heard = b""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            while b"19999.10000000" not in heard[-2000:]:
                heard += await loop.sock_recv(slow, 1 << 16)
        assert heard.count(b'"u":') < 20_000
        assert hub.meter.status()[0]["conflated"] > 0
        assert hub.meter.status()[0]["closed_3008"] == 0
    finally:
        slow.close()


async def test_a_hub_that_closes_says_so_first(start_hub: StartHub) -> None:
    """Clients get Binance's shutdown notice, then the close code that says: come back."""
    hub = await start_hub()
    async with ears(hub, "/ws/btcusdt@trade") as raw, ears(hub, "/stream") as combined:
        hub.stop.set()
        assert (await raw.next())["e"] == "serverShutdown"
        assert (await combined.next())["stream"] == "!serverShutdown"
        assert (await raw.socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
        assert raw.socket.close_code == 3001
