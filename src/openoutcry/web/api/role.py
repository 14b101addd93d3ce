"""The `api` role: one process that serves the API and reports its own figures."""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from typing import Final

import structlog
from redis.asyncio import Redis

from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.pubsub import listen
from openoutcry.adapters.valkey.weight import SteadyBudget
from openoutcry.config import Settings
from openoutcry.core.keys import PRICES, TICKERS
from openoutcry.services.alerts import AlertWatch
from openoutcry.services.prices import Prices
from openoutcry.services.status import report
from openoutcry.services.token_desk import TokenDesk
from openoutcry.web.api.app import create_app
from openoutcry.web.api.http_server import serve_http
from openoutcry.web.api.live import Running
from openoutcry.web.api.metrics import RequestMetrics

_GARBAGE: Final = 10_000
"""Objects made and not freed, after which the youngest of them are looked through."""

_log = structlog.get_logger(__name__)


async def serve(
    pool: Pool,
    valkey: Redis,
    settings: Settings,
    stop: asyncio.Event,
    *,
    version: str,
    prices: Prices | None = None,
    budget: SteadyBudget | None = None,
    tokens: TokenDesk | None = None,
    reads: RoutedReads | None = None,
    alerts: AlertWatch | None = None,
) -> None:
    """Serve on `settings.host`:`settings.port` until `stop`; the caller closes what it passed in.

    `prices` are kept fresh beside it, and `tokens` run there; the figures of `alerts` are told. Engines
    may go and come while it runs: health says so, requests get a 503. Raises EngineError when the port
    is taken.
    """
    metrics = RequestMetrics()
    reads = reads or RoutedReads(pool)
    beside = Running.make(pool, valkey, settings, reads)
    app = create_app(
        pool,
        valkey,
        settings,
        version=version,
        metrics=metrics,
        prices=prices,
        budget=budget,
        live=beside.live,
        tokens=tokens,
        reads=reads,
    )
    done, began = asyncio.Event(), time.monotonic()

    def figures() -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
        counters, gauges = prices.figures() if prices else ({}, {})
        cache = beside.cache
        for more in (reads.figures(), alerts.figures() if alerts else ({}, {})):
            counters |= more[0]
            gauges |= more[1]
        counters |= {
            "requests": metrics.total,
            "public_requests_refused": beside.live.limits.refused,
            "public_requests_counted_alone": beside.live.limits.alone,
            "candle_blocks_found": cache.hits,
            "candle_blocks_read": cache.misses,
        }
        gauges |= {
            "uptime_seconds": time.monotonic() - began,
            "candle_cache_bytes": cache.bytes,
        }
        if tokens is not None:
            more = tokens.figures()
            limits = (beside.live.token_limits, beside.live.confirm_limits)
            counters |= more[0] | {"token_requests_refused": sum(each.refused for each in limits)}
            gauges |= more[1]
        return counters, gauges, {}

    reporting = asyncio.create_task(report("api", figures, valkey, done))
    running = asyncio.create_task(beside.run(done))
    running.add_done_callback(_tell)
    hear = partial(listen, settings.valkey_url, (TICKERS, PRICES))
    pricing = [asyncio.create_task(prices.run(hear))] if prices else []
    telling = [asyncio.create_task(tokens.run(done))] if tokens else []
    for task in telling:
        task.add_done_callback(_tell_tokens)
    # What is there now stays: looking through it again and again for garbage holds requests up for
    # 100 ms at a time. Requests leave next to no garbage in cycles, so that seldom is often enough.
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    try:
        await serve_http(app, settings.host, settings.port, stop)
    finally:
        done.set()
        await end(*pricing)
        beside_it = {reporting, running, *telling}
        await asyncio.wait(beside_it, timeout=2.0)
        for task in beside_it:
            task.cancel()


def _tell_tokens(running: asyncio.Task[None]) -> None:
    """Log an end that nobody asked for: confirmations are recorded, but no longer told at once."""
    if not running.cancelled() and (error := running.exception()):
        _log.error("confirmed trades are not told any more", exc_info=error)


def _tell(running: asyncio.Task[None]) -> None:
    """Log an end that nobody asked for: the API serves on, but keeps nothing in memory any more."""
    if not running.cancelled() and (error := running.exception()):
        _log.error("nothing is kept in memory any more", exc_info=error)
