"""What several roles are made of: connections to the engines and to the venue.

Imports are inside: a role carries only what it uses.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import asyncpg

from openoutcry.config import Settings
from openoutcry.errors import ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from openoutcry.adapters.venue_rest import VenueRest

Figures = tuple[dict[str, float], dict[str, float], dict[str, int]]
"""Counters, gauges, and trades by symbol, as a role reports them."""


async def connect(settings: Settings, name: str) -> asyncpg.Connection[Any]:
    """Open a database connection of a role's own."""
    return await asyncpg.connect(
        settings.database_url,
        timeout=10,
        command_timeout=60,
        server_settings={"application_name": f"outcry {name}", "jit": "off"},
    )


async def open_valkey(stack: AsyncExitStack, settings: Settings, *, retries: int = 4) -> Redis:
    """Return a client of Valkey that is closed with the stack."""
    from openoutcry.adapters.valkey.client import connect

    client = connect(settings.valkey_url, retries=retries)
    stack.push_async_callback(client.aclose)
    return client


async def venue_rest(stack: AsyncExitStack, settings: Settings, valkey: Redis) -> VenueRest:
    """Return the venue's REST interface, within the weight that all processes share."""
    import aiohttp

    from openoutcry.adapters.valkey.weight import WeightBudget
    from openoutcry.adapters.venue_rest import VenueRest
    from openoutcry.venues.binance_rest import WEIGHT_PER_MINUTE

    session = await stack.enter_async_context(aiohttp.ClientSession())
    budget = WeightBudget(valkey, settings.venue, WEIGHT_PER_MINUTE, settings.weight_share)
    return VenueRest(session, settings.binance_rest_url, budget)


async def engines_answer(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for both engines; False if `stop` comes first."""
    from openoutcry.adapters.postgres.readiness import wait_until_migrated
    from openoutcry.adapters.valkey.readiness import wait_until_up

    valkey_url = engine_url(settings, "valkey_url")
    database_url = engine_url(settings, "database_url")
    return await wait_until_up(valkey_url, stop) and await wait_until_migrated(database_url, stop)


def engine_url(settings: Settings, name: str) -> str:
    """Return the address of an engine. Raises ConfigError if there is none."""
    url: str = getattr(settings, name)
    if not url:
        raise ConfigError(
            f"{name} is not set. A role on its own needs running engines: set "
            f"OUTCRY_{name.upper()}, or let `outcry up` start everything."
        )
    return url
