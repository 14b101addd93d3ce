"""Connects to Valkey or Redis, one server or a cluster: the one place that knows the difference.

Whoever sends commands, publishes or listens need not know. What differs is asked of these functions
and of `subscriptions.Subscriptions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from openoutcry.adapters.valkey.cluster import ClusterClient
from openoutcry.adapters.valkey.server import RETRIES, connect_server
from openoutcry.adapters.valkey.topology import is_cluster


def connect(url: str, *, retries: int = RETRIES) -> Redis:
    """Return a client; nothing is sent before the first command. The caller closes it.

    `url` is `redis://`, `rediss://` or `unix://` for one server, `redis+cluster://` or
    `rediss+cluster://` with one node or more, separated by commas, for a cluster. Retries and
    timeouts are those of `connect_server`. Raises ConfigError for a URL of a cluster that cannot be
    understood.
    """
    if is_cluster(url):
        return ClusterClient(url, retries=retries)
    return connect_server(url, retries=retries)


async def get_all(valkey: Redis, keys: Sequence[str | bytes]) -> list[Any]:
    """Return what each key holds, in one round trip to each server that holds any."""
    pipeline = valkey.pipeline(transaction=False)
    for key in keys:
        pipeline.get(key)
    return await pipeline.execute() if keys else []


async def servers(valkey: Redis) -> list[Redis]:
    """Return a client for each server that holds keys; they are closed with `valkey`."""
    return await valkey.nodes() if isinstance(valkey, ClusterClient) else [valkey]


def publish_word(valkey: Redis) -> str:
    """Return the command by which a script publishes; clients have `publish`, which knows."""
    return "SPUBLISH" if isinstance(valkey, ClusterClient) else "PUBLISH"


async def listeners(valkey: Redis, channels: Sequence[str]) -> set[str]:
    """Return those of the channels that somebody may listen to; on a cluster that is all of them.

    Who listens first and then looks at the present state misses nothing by what is not published before.
    """
    if isinstance(valkey, ClusterClient) or not channels:
        return set(channels)
    ask: Any = valkey.pubsub_numsub
    return {name.decode() for name, number in await ask(*channels) if number}
