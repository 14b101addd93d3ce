"""Waits until Valkey answers."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.topology import CLUSTER_HINT, is_cluster
from openoutcry.errors import ConfigError

# The same as PostgreSQL's: nobody oversleeps a start, nobody hammers at an outage.
_START_SECONDS = 10.0
_START_PAUSE = 0.05
_OUTAGE_PAUSE = 1.0


async def wait_until_up(url: str, stop: asyncio.Event) -> bool:
    """Return True once Valkey has loaded its data, False when `stop` is set before.

    Raises ConfigError if the URL is one server's and the server is a node of a cluster, or the other
    way round.
    """
    began = time.monotonic()
    while not stop.is_set():
        if await answers(url):
            await check_kind(url)
            return True
        waited = time.monotonic() - began
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_PAUSE if waited < _START_SECONDS else _OUTAGE_PAUSE):
                await stop.wait()
    return False


async def answers(url: str) -> bool:
    """Return whether Valkey answers a PING just now."""
    client = connect(url, retries=0)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()


async def check_kind(url: str) -> None:
    """Raise ConfigError if a server that answers is a node of a cluster, and the URL is not a cluster's.

    A server that keeps INFO to itself is taken at its URL's word.
    """
    if is_cluster(url):
        return
    client = connect(url, retries=0)
    try:
        found: Any = await client.info("cluster")
    except (RedisError, OSError):
        return
    finally:
        await client.aclose()
    if found.get("cluster_enabled"):
        raise ConfigError(CLUSTER_HINT)
