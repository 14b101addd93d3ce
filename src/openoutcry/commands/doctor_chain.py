"""`outcry doctor` and the chain: whether each node answers, and for the chain that is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from openoutcry.adapters.chain.nodes import Identity, Nodes, make_callers
from openoutcry.adapters.chain.rpc import RpcLimits
from openoutcry.adapters.postgres import token_index
from openoutcry.adapters.postgres.pool import dial, unavailable
from openoutcry.commands.doctor import Finding, Level
from openoutcry.config import Settings
from openoutcry.errors import ChainError, ConfigError, StoreUnavailableError, WrongChainError
from openoutcry.services import launchpads

_LIMITS: Final = RpcLimits(timeout=5.0, retries=0)


async def check_chain(settings: Settings, database_url: str) -> AsyncIterator[Finding]:
    """Ask each node for its head, and read the launchpads; nothing where no chain is configured."""
    if not settings.chain_rpc_urls:
        return
    try:
        launchpads.load(settings.launchpads)
    except ConfigError as error:
        yield Finding(Level.BROKEN, "launchpads", str(error), "Correct OUTCRY_LAUNCHPADS.")
    else:
        yield Finding(Level.OK, "launchpads", ", ".join(settings.launchpads))
    identity = await _stored(database_url)
    answering = 0
    async with aiohttp.ClientSession() as session:
        for caller in make_callers(session, settings.chain_rpc_urls, _LIMITS):
            node = Nodes([caller], identity=identity)
            remedy = "The indexer uses another node; see to this one, or take it off the list."
            try:
                head = await node.head()
            except WrongChainError as error:
                remedy = "Use a database of its own for each chain, or correct the URL."
                yield Finding(Level.BROKEN, "node", str(error), remedy)
            except ChainError as error:
                yield Finding(Level.WARNING, "node", str(error), remedy)
            else:
                answering += 1
                identity = await node.identity()
                text = f"{caller.shown} is at block {head.number} of chain {identity.chain_id}"
                yield Finding(Level.OK, "node", text)
            await node.close()
    if not answering:
        remedy = "Correct OUTCRY_CHAIN_RPC_URLS: without a node no token moves."
        yield Finding(Level.BROKEN, "chain", "no node can be used", remedy)


async def _stored(database_url: str) -> Identity | None:
    if not database_url:
        return None
    try:
        connection = await dial(database_url, application_name="outcry doctor")
        try:
            with unavailable():
                stored = await token_index.read_identity(connection)
        finally:
            connection.terminate()
    except StoreUnavailableError:
        return None
    return Identity(*stored) if stored else None
