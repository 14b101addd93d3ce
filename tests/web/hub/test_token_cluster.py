"""Tokens over a real cluster: news reach the hub, entries are shared and cleared, limits hold."""

from __future__ import annotations

import asyncio

import asyncpg
from redis.asyncio import Redis

from clusterkit import cluster, valkey, valkey_url, whole_cluster
from hubkit import StartHub
from openoutcry.adapters.postgres import token_store
from openoutcry.adapters.valkey.shared_logs import SharedLogs
from openoutcry.adapters.valkey.token_cache import Entry, SharedEntries
from openoutcry.core.chain import hexes
from openoutcry.core.keys import request_log_key, token_cache_key
from openoutcry.services.request_limits import RequestLimits, public_rule
from openoutcry.services.token_news import TokenNews
from openoutcry.services.token_pages import TokenPages
from openoutcry.tokens import WEI
from openoutcry.web.hub.sources import ValkeyBus
from tokenkit import START, address, block, trade

__all__ = ["cluster", "valkey", "valkey_url", "whole_cluster"]
pytest_plugins = ["hubkit"]


async def test_news_of_many_tokens(
    start_hub: StartHub, store: asyncpg.Pool, valkey: Redis, valkey_url: str
) -> None:
    """Channels lie on all nodes; each is heard from its own."""
    tokens = range(1, 13)

    def clock() -> int:
        return START + 10**9

    news, stop = TokenNews(valkey, store, clock=clock), asyncio.Event()
    running = asyncio.create_task(news.run(stop))
    async with store.acquire() as connection:
        await token_store.apply(connection, [block(1, *(trade(at, at, 5, WEI) for at in tokens))])
        hub = await start_hub(bus=ValkeyBus(valkey_url), tokens=TokenPages(store, clock))
        async with hub.talk() as talk:
            for at in tokens:
                await talk.subscribe(f"token:{hexes.show(address(at))}")
            await talk.subscribe("tokens:top")
            events = [trade(at, at, 5, 2 * WEI) for at in tokens]
            await news.tell(await token_store.apply(connection, [block(2, *events)]))
            heard: set[str] = set()
            while len(heard) < len(tokens) + 1:
                message = await talk.next()
                heard.add(message["channel"])
                if message["type"] == "token_update":
                    assert message["data"]["token"]["volumeTotal"] == "3"
    stop.set()
    await running


async def test_entries_and_limits(valkey: Redis) -> None:
    """Keys on all nodes are read in one go and all forgotten; a rule's own keys are on one node."""
    entries = SharedEntries(valkey)
    keys = [token_cache_key(hexes.show(address(at)), "sizes") for at in range(1, 21)]
    await entries.write({key: Entry("v", 1e12, key.encode()) for key in keys}, 60)
    found = await entries.read([*keys, token_cache_key("0x", "none")])
    assert [each.data.decode() if each else None for each in found] == [*keys, None]
    assert await entries.clear() == 20
    assert await entries.read(keys) == [None] * 20
    logs = SharedLogs(valkey, public_rule(3), lambda client: request_log_key("tokens", client))
    limits = RequestLimits(logs)
    clients = [f"10.0.0.{at}" for at in range(20)]
    verdicts = await asyncio.gather(*(limits.take(client) for client in clients * 4))
    assert sum(each.allowed for each in verdicts) == 60
