"""The bus on a real Valkey, also while it restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis.asyncio import Redis

from hubkit import StartHub, quote
from openoutcry.adapters.valkey.client import connect
from openoutcry.core.keys import LAST_QUOTES
from openoutcry.engines import Engines
from openoutcry.web.hub.sources import ValkeyBus

pytest_plugins = ["hubkit"]


async def _eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_quotes_through_valkey(start_hub: StartHub, valkey_url: str, valkey: Redis) -> None:
    """The last quotes are the snapshot, and published ones arrive."""
    await valkey.hset(LAST_QUOTES, "BTCUSDT", quote("BTCUSDT", 5))
    hub = await start_hub(bus=ValkeyBus(valkey_url))
    await _eventually(lambda: hub.bus.connected)
    async with hub.talk() as talk:
        await _eventually(lambda: hub.server.market.quotes.last("BTCUSDT"))
        assert (await talk.subscribe("price:BTCUSDT"))["originalPrice"] == "5"
        await valkey.publish("market:BTCUSDT", quote("BTCUSDT", 6))
        assert (await talk.until("price_update"))["data"]["originalPrice"] == "6"


async def test_channels_are_listened_to_while_wanted(
    start_hub: StartHub, valkey_url: str, valkey: Redis
) -> None:
    """Trades of a symbol are subscribed in Valkey while a client listens, and only then."""
    hub = await start_hub(bus=ValkeyBus(valkey_url))
    async with hub.talk() as talk:
        for _ in range(3):
            await talk.subscribe("trade:BTCUSDT")
            assert (await valkey.pubsub_numsub("trades:BTCUSDT"))[0][1] == 1
            await talk.ask("unsubscribe", "trade:BTCUSDT")
            await talk.until("unsubscribed")
    async with asyncio.timeout(30):
        while (await valkey.pubsub_numsub("trades:BTCUSDT"))[0][1]:
            await asyncio.sleep(0.02)


async def test_valkey_restarts(start_hub: StartHub, alive: Engines, valkey_url: str) -> None:
    """After Valkey was gone the hub listens again and reads what it missed; clients stay."""
    hub = await start_hub(bus=ValkeyBus(valkey_url))
    async with hub.talk() as talk:
        await talk.subscribe("price:BTCUSDT")
        await talk.subscribe("candle:BTCUSDT:1m")
        reads = hub.store.reads
        assert alive.valkey is not None
        await alive.valkey.stop()
        await _eventually(lambda: not hub.bus.connected)
        assert hub.meter.status()[1]["bus_connected"] == 0
        await alive.valkey.start()
        await _eventually(lambda: hub.bus.connected)
        await _eventually(lambda: hub.store.reads > reads)
        client = connect(alive.valkey_url)
        await client.publish("market:BTCUSDT", quote("BTCUSDT", 77))
        assert (await talk.until("price_update"))["data"]["originalPrice"] == "77"
        await client.aclose()
