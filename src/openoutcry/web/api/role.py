"""The `api` role: one process that serves the API and reports its own figures."""

from __future__ import annotations

import asyncio
import time

import structlog
from redis.asyncio import Redis

from openoutcry.adapters.postgres.pool import Pool
from openoutcry.config import Settings
from openoutcry.services.status import report
from openoutcry.web.api.app import create_app
from openoutcry.web.api.http_server import serve_http
from openoutcry.web.api.live import Running
from openoutcry.web.api.metrics import RequestMetrics

_log = structlog.get_logger(__name__)


async def serve(
    pool: Pool, valkey: Redis, settings: Settings, stop: asyncio.Event, *, version: str
) -> None:
    """Serve on `settings.host`:`settings.port` until `stop`; the caller closes what it passed in.

    Engines may go and come while it runs: health says so, requests get a 503. Raises EngineError
    when the port is taken.
    """
    metrics = RequestMetrics()
    beside = Running.make(pool, valkey, settings)
    app = create_app(pool, valkey, settings, version=version, metrics=metrics, live=beside.live)
    done, began = asyncio.Event(), time.monotonic()

    def figures() -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
        cache = beside.cache
        counters: dict[str, float] = {
            "requests": metrics.total,
            "candle_blocks_found": cache.hits,
            "candle_blocks_read": cache.misses,
        }
        gauges = {
            "uptime_seconds": time.monotonic() - began,
            "candle_cache_bytes": cache.bytes,
        }
        return counters, gauges, {}

    reporting = asyncio.create_task(report("api", figures, valkey, done))
    running = asyncio.create_task(beside.run(done))
    running.add_done_callback(_tell)
    try:
        await serve_http(app, settings.host, settings.port, stop)
    finally:
        done.set()
        await asyncio.wait({reporting, running}, timeout=2.0)
        reporting.cancel()
        running.cancel()


def _tell(running: asyncio.Task[None]) -> None:
    """Log an end that nobody asked for: the API serves on, but keeps nothing in memory any more."""
    if not running.cancelled() and (error := running.exception()):
        _log.error("nothing is kept in memory any more", exc_info=error)
