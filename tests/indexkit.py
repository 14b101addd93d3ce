"""What the indexer does, for tests that are about something else: the chain into the store, once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import asyncpg
from redis.asyncio import Redis

from openoutcry.adapters.chain.nodes import Nodes, make_callers
from openoutcry.adapters.chain.rpc import RpcLimits
from openoutcry.adapters.postgres import token_store
from openoutcry.adapters.postgres.token_store import Stored
from openoutcry.core.chain.follow import Rules
from openoutcry.core.chain.launchpads import Decoder, Followed
from openoutcry.core.chain.steps import Apply
from openoutcry.services.chain_source import ChainSource
from openoutcry.services.launchpads import load
from openoutcry.services.token_desk import DeskOptions, TokenDesk

QUICK = RpcLimits(timeout=5.0, retries=0)


class Indexer:
    """Follows a chain when it is told to; what it does is in `stored`."""

    def __init__(self, pool: asyncpg.Pool, url: str, launchpad: bytes) -> None:
        self._pool = pool
        self._url = url
        self._entries = [f"outcry@0x{launchpad.hex()}"]
        self.stored: list[Stored] = []

    async def bind(self) -> None:
        """Say which chain the store is of."""
        async with aiohttp.ClientSession() as session, self._pool.acquire() as connection:
            known = await Nodes(make_callers(session, [self._url], QUICK)).identity()
            await token_store.bind_chain(connection, known.chain_id, known.genesis)

    async def catch_up(self) -> list[Stored]:
        """Bring the store to the node's head; return what has changed."""
        await self.bind()
        changes = []
        async with aiohttp.ClientSession() as session, self._pool.acquire() as connection:
            headers = await token_store.read_headers(connection)
            rows = await connection.fetch(
                "SELECT address, launchpad, decimals, created_number FROM tokens"
                " WHERE created_number IS NOT NULL"
            )
            source = ChainSource(
                Nodes(make_callers(session, [self._url], QUICK)),
                Decoder(load(self._entries)),
                Rules(),
                headers=headers,
                followed={row[0]: Followed(row[1], row[2], row[3]) for row in rows},
            )
            while (step := await source.next()) is not None:
                if isinstance(step, Apply):
                    changes.append(await token_store.apply(connection, step.blocks))
                else:
                    gone = [header.hash for header in step.headers]
                    changes.append(await token_store.undo(connection, gone))
        self.stored += changes
        return changes


@asynccontextmanager
async def desk_of(
    pool: asyncpg.Pool,
    valkey: Redis,
    urls: Sequence[str],
    launchpad: bytes,
    options: DeskOptions | None = None,
) -> AsyncIterator[TokenDesk]:
    """Return what an API process knows of tokens."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        callers = make_callers(session, urls, QUICK)
        launchpads = load([f"outcry@0x{launchpad.hex()}"])
        yield TokenDesk(pool, valkey, callers, launchpads, options)
