"""Waits until Valkey answers."""

from __future__ import annotations

import asyncio

from redis.exceptions import RedisError

from openoutcry.adapters.valkey.client import connect

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


async def wait_until_up(url: str, stop: asyncio.Event) -> bool:
    """Return True once Valkey has loaded its data, False when `stop` is set before."""
    pause = _FIRST_PAUSE
    while not stop.is_set():
        if await answers(url):
            return True
        try:
            async with asyncio.timeout(pause):
                await stop.wait()
        except TimeoutError:
            pause = min(pause * 1.5, _LONGEST_PAUSE)
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
