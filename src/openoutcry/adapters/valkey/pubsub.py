"""Listens to channels of Valkey for as long as it is asked to, through every outage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from openoutcry.adapters.valkey.client import connect
from openoutcry.core.backoff import Backoff

log = structlog.get_logger(__name__)

_CHECK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 5.0


async def listen(
    url: str,
    channels: tuple[str, ...],
    on_message: Callable[[str, bytes], None],
    on_connected: Callable[[], Awaitable[None]],
) -> None:
    """Call `on_message` with what the channels say, until cancelled.

    `on_connected` is awaited after each connect, when everything said from then on will be heard:
    messages may have been missed. A connection that answers no ping within 5 s counts as lost.
    """
    valkey = connect(url, retries=0)
    backoff = Backoff(first=0.1, most=2.0)
    try:
        while True:
            try:
                async with valkey.pubsub() as pubsub:
                    await pubsub.subscribe(*channels)
                    await on_connected()
                    backoff.reset()
                    await _read(pubsub, on_message)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("Valkey cannot be heard", channels=channels, reason=str(error))
            await asyncio.sleep(backoff.next())
    finally:
        await valkey.aclose()


async def _read(pubsub: PubSub, on_message: Callable[[str, bytes], None]) -> None:
    asked = False
    while True:
        wait = _ANSWER_SECONDS if asked else _CHECK_SECONDS
        message = await pubsub.get_message(timeout=wait)
        if message is None:
            if asked:
                raise TimeoutError("no answer to a ping")
            asked = True
            await pubsub.ping()
            continue
        asked = False
        if message["type"] == "message":
            on_message(message["channel"].decode(), message["data"])
