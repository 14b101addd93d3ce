"""The indexer: tokens of a chain, followed, stored and told of."""

from __future__ import annotations

import asyncio
import sys
from asyncio import TaskGroup
from contextlib import AsyncExitStack, suppress
from functools import partial

import aiohttp

from openoutcry.adapters.chain.nodes import Identity, Nodes, is_socket, make_callers
from openoutcry.adapters.chain.subscription import HeadSubscription
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.tasks import end
from openoutcry.config import Settings
from openoutcry.core.chain.follow import Rules
from openoutcry.errors import ConfigError
from openoutcry.services import catch_up, launchpads
from openoutcry.services.indexer import Indexer
from openoutcry.services.indexer_stats import figures
from openoutcry.services.status import report
from openoutcry.wiring.parts import engines_answer, open_valkey

_COMMAND_SECONDS = 120.0
"""Undoing blocks of tokens with a long past may take a while."""
_END_SECONDS = 2.0


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Index until `stop`. Raises ConfigError if no chain is configured, or another than is stored."""
    if not settings.chain_rpc_urls:
        raise ConfigError(
            "chain_rpc_urls is not set: the indexer needs a node of the chain whose tokens it follows,"
            " such as OUTCRY_CHAIN_RPC_URLS=wss://node.example/KEY."
        )
    pads = launchpads.load(settings.launchpads)
    if not await engines_answer(settings, stop):
        return
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        session = await stack.enter_async_context(aiohttp.ClientSession())

        def nodes(identity: Identity | None) -> Nodes:
            made = Nodes(make_callers(session, settings.chain_rpc_urls), identity=identity)
            stack.push_async_callback(made.close)
            return made

        indexer = Indexer(
            partial(
                dial,
                settings.database_url,
                application_name="outcry indexer",
                command_timeout=_COMMAND_SECONDS,
            ),
            nodes,
            pads,
            Rules(
                settings.chain_start_block,
                settings.chain_confirmations,
                settings.chain_reorg_depth,
            ),
            poll_seconds=settings.chain_poll_seconds,
        )
        sockets = [url for url in settings.chain_rpc_urls if is_socket(url)]
        heads = HeadSubscription(session, sockets, indexer.wake)
        async with TaskGroup() as tasks:
            tasks.create_task(
                report(
                    "indexer",
                    lambda: figures(indexer.stats, indexer.watch, indexer.source),
                    valkey,
                    stop,
                    indexer.notes,
                )
            )
            running = tasks.create_task(indexer.run(stop))
            beside = [
                tasks.create_task(stop.wait()),
                tasks.create_task(indexer.run_windows(stop)),
                tasks.create_task(heads.run(stop)),
                tasks.create_task(catch_up.watch(lambda: indexer.progress, _teller(), stop)),
            ]
            await asyncio.wait({running, beside[0]}, return_when=asyncio.FIRST_COMPLETED)
            # A node that hangs, or a large block, is not waited for: what has not committed is undone.
            await asyncio.wait({running}, timeout=_END_SECONDS)
            await end(running, *beside)


def _teller() -> catch_up.Teller:
    """Return a bar where somebody watches, lines elsewhere."""
    if sys.stderr.isatty():
        # Who has not come by the command line may have been started without what draws it.
        with suppress(ImportError):
            from openoutcry.wiring.indexer_bar import Bar

            return Bar()
    return catch_up.Lines()
