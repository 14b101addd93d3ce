"""The channel of all tickers: snapshot, changes once a second, slow readers, REST as the source."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import msgspec
from redis.asyncio import Redis

from hubkit import Hub, StartHub
from openoutcry.adapters.valkey.price_board import PriceBoard, SharedPrices
from openoutcry.core.keys import PRICES, TICKERS, TICKERS_SNAPSHOT
from openoutcry.core.tickers import Ticker
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.sources import ValkeyBus
from openoutcry.web.hub.tickers import KnownTickers, TickersFeed

pytest_plugins = ["hubkit"]

BTC = Ticker("BTCUSDT", "100", "80", "101", "79", "5", "500", 1)
ETH = Ticker("ETHUSDT", "5", "5", "6", "4", "1", "5", 1)
XYZ = Ticker("XYZBTC", "1", "2", "3", "0.5", "7", "7", 1)


def now() -> int:
    """Return the time in µs."""
    return time.time_ns() // 1000


def at(ticker: Ticker, price: str) -> Ticker:
    """Return a ticker at another price."""
    return msgspec.structs.replace(ticker, price=price)


def say(hub: Hub, *tickers: Ticker) -> None:
    """Let the bus tell tickers."""
    hub.bus.say(TICKERS, msgspec.json.encode(list(tickers)))


async def test_a_snapshot_then_what_changes(hub: Hub) -> None:
    """The list as REST has it, then one message a second with the changed ones, the last of each."""
    hub.bus.tickers = KnownTickers([BTC, XYZ], now() - 2_000_000, "stream")
    async with hub.talk() as talk:
        body = await talk.subscribe("tickers")
        assert (body["source"], body["stale"]) == ("stream", False)
        assert 1.5 < body["age"] < 10
        rows = {row["symbol"]: row for row in body["markets"]}
        assert rows["BTCUSDT"] == {
            "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "price": "100.00",
            "change": "20.00", "changePercent": "25.000", "high": "101.00", "low": "79.00",
            "volume": "5", "quoteVolume": "500", "carried": True, "sparkline": None,
        }  # fmt: skip
        assert rows["XYZBTC"]["carried"] is False
        say(hub, at(BTC, "101"), ETH)
        say(hub, at(BTC, "102"))
        update = await talk.until("tickers_update")
        assert update["channel"] == "tickers"
        assert {row["symbol"]: row["price"] for row in update["data"]} == {
            "BTCUSDT": "102.00", "ETHUSDT": "5.00",
        }  # fmt: skip
        assert "base" not in update["data"][0]
        assert hub.bus.wanted[TICKERS] == 1
    async with asyncio.timeout(30):
        while TICKERS in hub.bus.wanted:
            await asyncio.sleep(0.02)


async def test_nothing_known_is_null(hub: Hub) -> None:
    """Without any ticker the snapshot is null; the first ones come as a change."""
    async with hub.talk() as talk:
        assert await talk.subscribe("tickers") is None
        say(hub, BTC)
        assert (await talk.until("tickers_update"))["data"][0]["symbol"] == "BTCUSDT"


async def test_a_message_that_is_none_is_left_out(hub: Hub) -> None:
    """Nonsense on the bus is counted; the channel goes on."""
    async with hub.talk() as talk:
        await talk.subscribe("tickers")
        hub.bus.say(TICKERS, b"nonsense")
        say(hub, BTC)
        assert (await talk.until("tickers_update"))["data"][0]["price"] == "100.00"
        assert hub.meter.status()[0]["bad_messages"] == 1


async def test_rest_tells_what_is_new_in_it(hub: Hub) -> None:
    """While the stream is away a new shared snapshot becomes a message of what differs."""
    hub.bus.tickers = KnownTickers([BTC, ETH], now() - 60_000_000, "rest")
    async with hub.talk() as talk:
        body = await talk.subscribe("tickers")
        assert (body["source"], body["stale"]) == ("rest", True)
        hub.bus.tickers = KnownTickers([BTC, at(ETH, "7")], now(), "rest")
        hub.bus.say(PRICES, b'{"what":"snapshot"}')
        update = await talk.until("tickers_update")
        assert [(row["symbol"], row["price"]) for row in update["data"]] == [("ETHUSDT", "7.00")]
        fresh = await talk.subscribe("tickers")
        assert fresh["stale"] is False


def test_a_slow_reader_gets_the_latest_of_each_symbol() -> None:
    """However many seconds it missed, it catches up with one message."""
    sent: list[bytes] = []
    fanout = Fanout(lambda _flush: None)
    feed = TickersFeed(Channel("tickers"), ("BTCUSDT",), now)
    feed.load(None)
    client = Client(sent.append, lambda: None)
    fanout.add(client)
    fanout.join(client, feed.topic)
    fanout.flush()
    fanout.pause(client)
    for price in range(1, 50):
        feed.apply([at(BTC, str(price)), *([ETH] if price == 1 else [])])
        feed.tell(fanout)
        fanout.flush()
    assert sent == []
    fanout.resume(client)
    fanout.flush()
    (frame,) = sent
    message: Any = json.loads(frame[frame.index(b"{") :])
    assert {row["symbol"]: row["price"] for row in message["data"]} == {
        "ETHUSDT": "5.00", "BTCUSDT": "49.00",
    }  # fmt: skip


async def test_tickers_through_valkey(start_hub: StartHub, valkey_url: str, valkey: Redis) -> None:
    """The newer of what the stream and REST have left is the snapshot; both go on live."""
    await PriceBoard(valkey).publish(SharedPrices(time.time() - 100, [at(BTC, "1")]))
    await valkey.set(TICKERS_SNAPSHOT, msgspec.json.encode([BTC]), ex=3600)
    hub = await start_hub(bus=ValkeyBus(valkey_url))
    async with asyncio.timeout(30):
        while not hub.bus.connected:
            await asyncio.sleep(0.02)
    async with hub.talk() as talk:
        body = await talk.subscribe("tickers")
        assert (body["source"], body["markets"][0]["price"]) == ("stream", "100.00")
        await valkey.publish(TICKERS, msgspec.json.encode([at(BTC, "103")]))
        assert (await talk.until("tickers_update"))["data"][0]["price"] == "103.00"
        await PriceBoard(valkey).publish(SharedPrices(time.time() + 1, [at(BTC, "104")]))
        assert (await talk.until("tickers_update"))["data"][0]["price"] == "104.00"
