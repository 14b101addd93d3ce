"""What an API process answers about tokens, made of its parts."""

from __future__ import annotations

from contextlib import AsyncExitStack

import aiohttp
from redis.asyncio import Redis

from openoutcry.adapters.chain.nodes import make_callers
from openoutcry.adapters.chain.rpc import RpcLimits
from openoutcry.adapters.postgres.pool import Pool, Source, open_pool
from openoutcry.adapters.postgres.token_quick import GENERIC
from openoutcry.config import Settings
from openoutcry.services.chain_door import CONFIRM_TIMEOUT
from openoutcry.services.launchpads import load
from openoutcry.services.token_desk import DeskOptions, TokenDesk

_LARGEST_ANSWER = 8 << 20
"""Bytes: a receipt with all that a block may log."""
_READERS = 4
"""Connections for lists and single tokens: each takes a fraction of a millisecond."""


async def token_desk(
    stack: AsyncExitStack, settings: Settings, pool: Pool, valkey: Redis, history: Source
) -> TokenDesk:
    """Return it; nothing is asked of anybody yet. The past is read by way of `history`.

    Raises ConfigError for a wrong description.
    """
    launchpads = load(settings.launchpads)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    limits = RpcLimits(timeout=CONFIRM_TIMEOUT, retries=0, answer_bytes=_LARGEST_ANSWER)
    callers = make_callers(session, settings.chain_rpc_urls, limits)
    for caller in callers:
        stack.push_async_callback(caller.close)
    reads = await open_pool(
        settings.database_url,
        application_name="outcry api tokens",
        max_size=_READERS,
        server_settings=GENERIC,
        stateless=True,
    )
    stack.push_async_callback(reads.close)
    options = DeskOptions(
        cache_seconds=settings.token_cache_seconds,
        cache_bytes=settings.token_cache_mb << 20,
        confirmations=settings.chain_confirmations,
    )
    return TokenDesk(pool, valkey, callers, launchpads, options, reads=reads, history=history)
