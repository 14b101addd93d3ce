"""The API: REST and the dashboard, with the aggregator of prices."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from asyncio import TaskGroup
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from openoutcry import __version__
from openoutcry.adapters.postgres.pool import Pool, open_pool
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.postgres.replica import Replica
from openoutcry.adapters.valkey.alert_board import AlertBoard
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.adapters.valkey.weight import SteadyBudget, WeightBudget
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.adapters.webhook import Webhook
from openoutcry.config import Settings
from openoutcry.core.breaker import BreakerRules
from openoutcry.core.coins import parse_coins
from openoutcry.engines import default_data_dir
from openoutcry.services.alert_rules import Limits, Picture
from openoutcry.services.alerts import AlertWatch
from openoutcry.services.price_asker import PriceRules, RestUpstream
from openoutcry.services.prices import Prices
from openoutcry.services.slow_queries import SlowQueries
from openoutcry.services.status import collect
from openoutcry.services.token_desk import TokenDesk
from openoutcry.venues.binance_rest import WEIGHT_PER_MINUTE
from openoutcry.web.api.role import serve
from openoutcry.wiring.parts import engine_url, engines_answer, open_valkey
from openoutcry.wiring.tokens import token_desk


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the API until `stop`."""
    url = engine_url(settings, "database_url")
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        pool = await open_pool(url, application_name="outcry api", stateless=True)
        stack.push_async_callback(pool.close)
        async with TaskGroup() as tasks:
            # The page is there at once; what needs the engines answers 503 until they do.
            tasks.create_task(engines_answer(settings, stop))
            replica = await _replica(stack, settings)
            if replica is not None:
                tasks.create_task(replica.watch(stop))
            reads = RoutedReads(pool, replica)
            alerts = await _alerts(stack, settings, pool, valkey, reads)
            if alerts is not None:
                tasks.create_task(alerts.run(stop))
            prices, budget = await _prices(stack, settings)
            await serve(
                pool,
                valkey,
                settings,
                stop,
                version=__version__,
                prices=prices,
                budget=budget,
                tokens=await _tokens(stack, settings, pool, valkey, reads),
                reads=reads,
                alerts=alerts,
            )


async def _tokens(
    stack: AsyncExitStack, settings: Settings, pool: Pool, valkey: Redis, reads: RoutedReads
) -> TokenDesk | None:
    """Return what is known of tokens, None where no chain is followed."""
    if not settings.chain_rpc_urls:
        return None
    return await token_desk(stack, settings, pool, valkey, reads)


async def _replica(stack: AsyncExitStack, settings: Settings) -> Replica | None:
    if not settings.database_read_url:
        return None
    replica = await Replica.open(
        settings.database_read_url,
        settings.database_url,
        most_lag=settings.database_read_lag_seconds,
    )
    stack.push_async_callback(replica.close)
    return replica


async def _alerts(
    stack: AsyncExitStack, settings: Settings, pool: Pool, valkey: Redis, reads: RoutedReads
) -> AlertWatch | None:
    """Return who looks for what is wrong, None where nobody is to."""
    if not settings.alert_check_seconds:
        return None
    host = socket.gethostname()
    slow = SlowQueries(pool)
    folder = Path(settings.data_dir) if settings.data_dir else default_data_dir()
    webhook = None
    if settings.alert_webhook_url:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        webhook = Webhook(session, settings.alert_webhook_url, settings.alert_webhook_secret)

    async def picture() -> Picture:
        status = await collect(pool, valkey, settings, reads.status())
        counted = await slow.read() if status.engine("postgres").ok else None
        return Picture(status, await asyncio.to_thread(_disk_free, folder), counted)

    return AlertWatch(
        picture,
        Limits.of(settings),
        AlertBoard(valkey, f"{host}-{os.getpid()}"),
        webhook,
        every=settings.alert_check_seconds,
        repeat=settings.alert_repeat_hours * 3600,
        source=host,
    )


def _disk_free(folder: Path) -> float | None:
    """Return how much of the disk is free, in percent; None where the folder is not on this machine."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return 100 * usage.free / usage.total if usage.total else None


async def _prices(stack: AsyncExitStack, settings: Settings) -> tuple[Prices, SteadyBudget]:
    """Return the aggregator of prices, and the weight that it asks the venue within."""
    rules = PriceRules(
        fresh=settings.price_fresh_seconds,
        grace=settings.price_grace_seconds,
        timeout=settings.price_timeout_seconds,
        retries=settings.price_retries,
        backoff=settings.price_backoff_seconds,
        stream=settings.price_stream_seconds,
        breaker=BreakerRules(settings.price_breaker_failures, settings.price_breaker_seconds),
    )
    # A client of its own: a reader of prices must not wait while others dial Valkey again and again.
    valkey = await open_valkey(stack, settings, retries=0)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    shared = WeightBudget(valkey, settings.venue, WEIGHT_PER_MINUTE, settings.weight_share)
    budget = SteadyBudget(shared)
    rest = VenueRest(session, settings.binance_rest_url, budget, rules.timeout)
    wanted = [coin.symbol for coin in parse_coins(settings.price_symbols)]
    return Prices(RestUpstream(rest), PriceBoard(valkey), rules, wanted), budget
