"""The channel `stats:trades`: the counter's figures, as they are published."""

from __future__ import annotations

from redis.asyncio import Redis

from hubkit import Hub, StartHub
from openoutcry.core.keys import STATS_TRADES, STATS_TRADES_LAST
from openoutcry.web.hub.sources import ValkeyBus

pytest_plugins = ["hubkit"]


async def test_snapshot_and_changes(hub: Hub) -> None:
    """The last figures first, then each change; what is no object is left out."""
    async with hub.talk() as talk:
        assert await talk.subscribe("stats:trades") is None
        hub.bus.say("stats:trades", b'{"trades_7d":1}')
        update = await talk.next()
        assert (update["type"], update["channel"]) == ("stats_update", "stats:trades")
        assert update["data"] == {"trades_7d": 1}
        for nonsense in (b"[]", b"{", b"7"):
            hub.bus.say("stats:trades", nonsense)
        assert hub.server.market.bad_messages == 3
        assert await talk.subscribe("stats:trades") == {"trades_7d": 1}


async def test_what_is_kept(hub: Hub) -> None:
    """A hub that has heard nothing starts from what is kept, and again after the bus was lost."""
    hub.bus.stats = b'{"trades_7d":5}'
    async with hub.talk() as talk:
        assert await talk.subscribe("stats:trades") == {"trades_7d": 5}
        hub.bus.stats = b'{"trades_7d":6}'
        await hub.server.on_connected()
        assert (await talk.next())["data"] == {"trades_7d": 6}
        await hub.server.on_connected()
        hub.bus.say("stats:trades", b'{"trades_7d":7}')
        assert (await talk.next())["data"] == {"trades_7d": 7}, "the same is not told twice"


async def test_on_valkey(start_hub: StartHub, valkey: Redis, valkey_url: str) -> None:
    """The names in Valkey are those that the publisher uses."""
    await valkey.set(STATS_TRADES_LAST, b'{"n":1}')
    hub = await start_hub(bus=ValkeyBus(valkey_url))
    async with hub.talk() as talk:
        assert await talk.subscribe("stats:trades") == {"n": 1}
        await valkey.publish(STATS_TRADES, b'{"n":2}')
        assert (await talk.next())["data"] == {"n": 2}
