"""The hub: WebSocket, for the public and for who has signed in."""

from __future__ import annotations

import asyncio
from asyncio import TaskGroup
from contextlib import AsyncExitStack
from functools import partial

from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.postgres.private_reader import PrivateReader
from openoutcry.adapters.postgres.recent import RecentReader
from openoutcry.adapters.valkey.user_history import UserHistory
from openoutcry.config import Settings
from openoutcry.services.accounts import secret_of
from openoutcry.services.identity import Identities
from openoutcry.services.status import report
from openoutcry.services.token_pages import TokenPages
from openoutcry.services.tokens import AccessTokens
from openoutcry.web.hub.meter import Meter
from openoutcry.web.hub.server import Accounts, HubOptions, serve
from openoutcry.web.hub.sources import ValkeyBus
from openoutcry.wiring.parts import engines_answer, open_valkey


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve WebSocket until `stop`."""
    if not await engines_answer(settings, stop):
        return
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        pool = await stack.enter_async_context(
            await open_pool(settings.database_url, application_name="outcry hub", max_size=8)
        )
        tokens = AccessTokens(partial(secret_of, pool, settings.secret_key))
        accounts = Accounts(Identities(pool, tokens), UserHistory(valkey), PrivateReader(pool))
        meter = Meter()
        options = HubOptions(
            symbols=tuple(settings.symbols),
            host=settings.host,
            port=settings.ws_port,
            allowed_origins=tuple(settings.allowed_origins),
            public_origins=tuple(settings.public_origins),
            binance_messages=settings.binance_ws_messages,
            replay=bool(settings.sandbox_replay),
            public_market_data=settings.public_market_data,
        )
        async with TaskGroup() as tasks:
            tasks.create_task(report("hub", meter.status, valkey, stop))
            bus = ValkeyBus(settings.valkey_url)
            store = RecentReader(pool, settings.venue)
            pages = TokenPages(pool) if settings.chain_rpc_urls else None
            await serve(options, bus, store, meter, stop, accounts=accounts, tokens=pages)
