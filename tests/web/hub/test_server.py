"""The hub over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from decimal import Decimal

import aiohttp
import msgspec
import numpy as np
import pytest

from hubkit import Hub, StartHub, quote
from openoutcry.core import frames
from openoutcry.core.candle_messages import BaseCandles
from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import MINUTE
from openoutcry.model import Candle, Side, Trade
from openoutcry.web.hub.server import Server
from openoutcry.web.hub.talks import Allowance
from openoutcry.web.hub.upgrade import is_allowed

pytest_plugins = ["hubkit"]
D = Decimal


def _row(bucket: int, trades: int, close: str = "1") -> Candle:
    return Candle(
        bucket, D(1), D(2), D(1), D(close), D(trades), D(trades), trades, D(0), D(0)
    )  # fmt: skip


def _base(base: str, *rows: Candle) -> bytes:
    return msgspec.json.encode(BaseCandles("BTCUSDT", {base: list(rows)}, Coverage()))


def _tape(*ids: int) -> bytes:
    return frames.encode(
        frames.Frame(
            frames.FrameKind.TRADES,
            0,
            np.array([(1, 2, 2)], frames.SCALE),
            frames.empty(frames.MARK),
            np.array([(1000, 0, id_, 150, 100, 1, 1) for id_ in ids], frames.TRADE),
        )
    )


async def _stuck(port: int, path: str) -> socket.socket:
    """Return a WebSocket that nobody reads from."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", port))
    stuck.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(
        stuck,
        b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        % path.encode(),
    )
    return stuck


async def test_root_path_byte_for_byte(hub: Hub) -> None:
    """The root path says who it is, then every quote with the bus's own bytes as its data."""
    async with aiohttp.ClientSession() as session:
        client = await hub.connect(session, "/")
        assert await client.receive_str() == (
            '{"type":"connection","message":"Connected to OpenOutcry",'
            '"assets":["BTCUSDT","ETHUSDT"]}'
        )
        for symbol, number in (("BTCUSDT", 1), ("ETHUSDT", 2), ("BTCUSDT", 3)):
            data = quote(symbol, number)
            hub.bus.say(f"market:{symbol}", data)
            assert await client.receive_str(timeout=30) == (
                f'{{"type":"price_update","symbol":"{symbol}","data":{data.decode()}}}'
            )


async def test_prices(hub: Hub) -> None:
    """A price channel answers with the last quote, then changes; after `unsubscribed`, nothing."""
    async with hub.talk() as talk:
        assert await talk.subscribe("price:BTCUSDT") is None
        hub.bus.say("market:BTCUSDT", quote("BTCUSDT", 7))
        hub.bus.say("market:ETHUSDT", quote("ETHUSDT", 8))
        update = await talk.next()
        assert (update["type"], update["channel"]) == ("price_update", "price:BTCUSDT")
        assert update["data"]["originalPrice"] == "7"
        assert update["timestamp"].endswith("Z")
        assert (await talk.subscribe("price:BTCUSDT"))["originalPrice"] == "7"
        await talk.ask("unsubscribe", "price:BTCUSDT", id="u")
        assert (await talk.next())["id"] == "u"
        hub.bus.say("market:BTCUSDT", quote("BTCUSDT", 9))
        await talk.ask("ping", id=1)
        assert (await talk.next())["type"] == "pong"


async def test_candles(hub: Hub) -> None:
    """A candle channel answers with the previous and current candle, then tells what changes."""
    now = Server.clock()
    bucket = now - now % (15 * MINUTE)
    hub.store.rows = [_row(bucket - 5 * MINUTE, 4), _row(bucket, 2)]
    async with hub.talk() as talk:
        data = await talk.subscribe("candle:BTCUSDT:15m")
        assert [c["trades"] for c in data["candles"]] == [4, 2]
        assert [c["closed"] for c in data["candles"]] == [True, False]
        hub.bus.say("candles:BTCUSDT", _base("5m", _row(bucket + 5 * MINUTE, 3, "9")))
        update = (await talk.until("candle_update"))["data"]
        assert (update["trades"], update["close"], update["interval"]) == (5, "9", "15m")
        assert update["time"] == bucket // 1_000_000


async def test_a_repaired_bucket_is_sent_again(hub: Hub) -> None:
    """An old bucket of a derived interval is read from the store and told whole."""
    now = Server.clock()
    bucket = now - now % (15 * MINUTE)
    hub.store.rows = [_row(bucket, 2)]
    async with hub.talk() as talk:
        await talk.subscribe("candle:BTCUSDT:15m")
        old = bucket - 150 * MINUTE
        hub.store.rows = [_row(old, 1), _row(old + 5 * MINUTE, 6), _row(bucket, 2)]
        hub.bus.say("candles:BTCUSDT", _base("5m", _row(old + 5 * MINUTE, 6)))
        update = (await talk.until("candle_update"))["data"]
        assert (update["time"], update["trades"]) == (old // 1_000_000, 7)
        assert update["closed"]


async def test_trades(hub: Hub) -> None:
    """A trade channel answers with the newest trades of the store, then tells each new one once."""
    hub.store.trades = [
        Trade("binance", "BTCUSDT", n, D("1.50"), D("2.0"), Side.SELL, 5000, 0) for n in (1, 2)
    ]
    async with hub.talk() as talk:
        trades = (await talk.subscribe("trade:BTCUSDT"))["trades"]
        assert trades[-1] == {"id": 2, "price": "1.5", "size": "2", "side": "sell", "time": 5}
        hub.bus.say("trades:BTCUSDT", _tape(2, 3))
        data = (await talk.until("trade_update"))["data"]
        assert [t["id"] for t in data["trades"]] == [3]
        assert (data["skipped"], data["symbol"]) == (0, "BTCUSDT")


async def test_changes_while_the_snapshot_is_read(hub: Hub) -> None:
    """Trades that arrive while the snapshot is read are in it; answers keep their order."""
    hub.store.gate = asyncio.Event()
    async with hub.talk() as talk:
        await talk.ask("subscribe", "trade:BTCUSDT", id=1)
        await talk.ask("unsubscribe", "trade:BTCUSDT", id=2)
        await talk.ask("subscribe", "trade:BTCUSDT", id=3)
        while not hub.store.reads:
            await asyncio.sleep(0.01)
        hub.bus.say("trades:BTCUSDT", _tape(8, 9))
        hub.store.trades = [Trade("binance", "BTCUSDT", 8, D(1), D(1), Side.BUY, 0, 0)]
        hub.store.gate.set()
        answers = [await talk.next() for _ in range(3)]
        assert [a["id"] for a in answers] == [1, 2, 3]
        assert [t["id"] for t in answers[0]["data"]["trades"]] == [8, 9]


async def test_one_read_for_many_clients(hub: Hub) -> None:
    """A hundred clients that open a channel together cost one read, and the last closes it."""
    hub.store.gate = asyncio.Event()
    async with aiohttp.ClientSession() as session:
        clients = [await hub.connect(session) for _ in range(100)]
        for client in clients:
            await client.send_str('{"type":"subscribe","channel":"candle:BTCUSDT:1m"}')
        await asyncio.sleep(0.2)
        hub.store.gate.set()
        for client in clients:
            await client.receive_str(timeout=30)
            assert json.loads(await client.receive_str(timeout=30))["type"] == "subscribed"
        assert hub.store.reads == 1
        assert "candles:BTCUSDT" in hub.bus.wanted
        for client in clients:
            await client.close()
    async with asyncio.timeout(30):
        while "candles:BTCUSDT" in hub.bus.wanted:
            await asyncio.sleep(0.01)
    assert hub.meter.status()[1]["clients"] == 0


async def test_an_unreadable_store(hub: Hub) -> None:
    """Without the store a candle channel is `unavailable`, prices go on, and it heals."""
    hub.store.away = True
    async with hub.talk() as talk:
        await talk.ask("subscribe", "candle:BTCUSDT:1m", id=4)
        error = await talk.next()
        assert (error["code"], error["id"]) == ("unavailable", 4)
        await talk.subscribe("price:BTCUSDT")
        hub.store.away = False
        assert await talk.subscribe("candle:BTCUSDT:1m") == {"candles": []}


async def test_an_unreadable_message_of_the_bus(hub: Hub) -> None:
    """A message of the bus that cannot be read is counted and hurts nobody."""
    async with hub.talk() as talk:
        await talk.subscribe("price:BTCUSDT")
        await talk.subscribe("trade:BTCUSDT")
        for channel in ("market:BTCUSDT", "candles:BTCUSDT", "trades:BTCUSDT"):
            hub.bus.say(channel, b"{")
        hub.bus.say("market:BTCUSDT", quote("BTCUSDT", 1))
        assert (await talk.next())["type"] == "price_update"
    assert hub.meter.status()[0]["bad_messages"] == 3


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/nothing", {}, 404),
        ("/api/v1/ws/app", {"Origin": "https://evil.example"}, 403),
        ("/", {"Origin": "null"}, 403),
    ],
)
async def test_refused_upgrades(hub: Hub, path: str, headers: dict[str, str], status: int) -> None:
    """Other paths and other origins are refused before the upgrade."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await hub.connect(session, path, headers=headers)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "verdict"),
    [
        (None, None, (), True),
        ("http://127.0.0.1:8000", "127.0.0.1:8001", (), True),
        ("http://[::1]:8000", "[::1]:8001", (), True),
        ("https://a.example", "b.example", (), False),
        ("https://a.example", "b.example", ("https://A.example/",), True),
        ("https://a.example", "b.example", ("*",), True),
        ("http://[", "b.example", (), False),
        ("null", None, (), False),
    ],
)
def test_origins(
    origin: str | None, host: str | None, allowed: tuple[str, ...], verdict: bool
) -> None:
    """No origin, the hub's own host on any port, and listed origins may connect."""
    assert is_allowed(origin, host, allowed) is verdict


async def test_firefox_connects(hub: Hub) -> None:
    """A Connection header with several tokens, as Firefox sends it, is an upgrade."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive, Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 101")
    writer.close()


async def test_a_full_hub(start_hub: StartHub) -> None:
    """Past its bound of connections a hub answers 503."""
    hub = await start_hub(max_clients=1)
    async with aiohttp.ClientSession() as session:
        first = await hub.connect(session)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await hub.connect(session)
        await first.close()
    assert refused.value.status == 503


async def test_subscription_limit(start_hub: StartHub) -> None:
    """One subscription too many is an error; asking on and on closes with 3505."""
    hub = await start_hub(max_subscriptions=1)
    async with hub.talk() as talk:
        await talk.subscribe("price:BTCUSDT")
        await talk.ask("subscribe", "price:ETHUSDT")
        assert (await talk.next())["code"] == "too_many_subscriptions"
        for _ in range(80):
            await talk.ask("subscribe", "price:ETHUSDT")
        while (await talk.socket.receive(timeout=30)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert talk.socket.close_code == 3505


@pytest.mark.parametrize("kind", ["binary", "large", "continuation"])
async def test_not_the_protocol(hub: Hub, kind: str) -> None:
    """Binary messages and messages over 4096 bytes close the connection with 3501."""
    async with hub.talk() as talk:
        if kind == "binary":
            await talk.socket.send_bytes(b"x")
        elif kind == "large":
            await talk.socket.send_str("x" * 4097)
        else:
            await talk.socket._writer.send_frame(b"of nothing", aiohttp.WSMsgType.CONTINUATION)
        message = await talk.socket.receive(timeout=30)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert talk.socket.close_code == 3501


async def test_shutdown_says_so(start_hub: StartHub) -> None:
    """A hub that stops closes its clients with 3001."""
    hub = await start_hub()
    async with hub.talk() as talk:
        hub.stop.set()
        await talk.socket.receive(timeout=30)
        assert talk.socket.close_code == 3001
    assert hub.meter.status()[0]["closed_3001"] == 1


async def test_dead_peers(start_hub: StartHub) -> None:
    """A client that does not answer pings is closed with 3012; one that does stays."""
    hub = await start_hub(ping_seconds=0.2, pong_seconds=1.0)
    async with aiohttp.ClientSession() as session:
        dead = await hub.connect(session, "/", autoping=False)
        async with hub.talk() as talk:
            answering = asyncio.create_task(talk.socket.receive())  # pings are answered in it
            kinds: list[aiohttp.WSMsgType] = []
            while not dead.closed and len(kinds) < 20:
                kinds.append((await dead.receive(timeout=30)).type)
            assert aiohttp.WSMsgType.PING in kinds
            assert dead.close_code == 3012
            assert not answering.done()
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await talk.ask("ping")
            assert (await talk.until("pong"))["type"] == "pong"


async def test_a_client_that_never_reads(hub: Hub) -> None:
    """It costs nobody else a message and the hub no memory; when it reads, it gets the latest."""
    loop = asyncio.get_running_loop()
    stuck = await _stuck(hub.port, "/")
    async with aiohttp.ClientSession() as session:
        quick = await hub.connect(session, "/")
        await quick.receive_str()
        total = 0
        while not hub.server.fanout.paused or total % 5000:
            for _ in range(100):
                total += 1
                hub.bus.say("market:BTCUSDT", quote("BTCUSDT", total))
            hub.bus.say("market:ETHUSDT", quote("ETHUSDT", total))
            for _ in range(101):
                last = json.loads(await quick.receive_str(timeout=30))
            assert total < 200_000
        assert last["data"]["originalPrice"] == str(total)
        (slow,) = [c for c in hub.server._connections if c._client.paused]
        assert slow._client.outbox.size == 0
        assert slow._transport.underlying_transport.get_write_buffer_size() < 256 * 1024
        read = b""
        tail = f'"originalPrice":"{total}"'.encode()
        while hub.server.fanout.paused or read.count(tail) < 2:
            read = read[-4096:] + await asyncio.wait_for(loop.sock_recv(stuck, 1 << 20), 30)
        assert hub.meter.status()[0]["conflated"] > 1000
        assert len(read.split(tail)) == 3, "the latest of each symbol, once"
    stuck.close()


async def test_commands_wait_while_the_socket_is_full(start_hub: StartHub) -> None:
    """A client that asks and never reads is not read from either, so answers cannot pile up."""
    hub = await start_hub(allowance=Allowance(at_once=1_000_000, a_second=1_000_000))
    loop = asyncio.get_running_loop()
    stuck = await _stuck(hub.port, "/api/v1/ws/app")
    payload = json.dumps({"type": "ping", "id": "x" * 3000}).encode()
    command = b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload

    async def ask_on() -> None:
        while True:
            await loop.sock_sendall(stuck, command)

    asking = asyncio.create_task(ask_on())
    connections = hub.server._connections
    async with asyncio.timeout(30):
        while not any(each._client.paused for each in connections):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    (connection,) = connections
    assert connection._client.paused
    assert connection._client.outbox.size < 1 << 20
    assert len(connection._inbox) < 100
    read = 0
    while read < 20 << 20:
        read += len(await asyncio.wait_for(loop.sock_recv(stuck, 1 << 20), 30))
    assert not asking.done()
    asking.cancel()
    stuck.close()
