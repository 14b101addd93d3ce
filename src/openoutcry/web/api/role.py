"""The `api` role: one process that serves the API and reports its own figures."""

from __future__ import annotations

import asyncio
import time

from redis.asyncio import Redis

from openoutcry.adapters.postgres.pool import Pool
from openoutcry.config import Settings
from openoutcry.services.status import report
from openoutcry.web.api.app import create_app
from openoutcry.web.api.http_server import serve_http
from openoutcry.web.api.metrics import RequestMetrics


async def serve(
    pool: Pool, valkey: Redis, settings: Settings, stop: asyncio.Event, *, version: str
) -> None:
    """Serve on `settings.host`:`settings.port` until `stop`; the caller closes what it passed in.

    Engines may go and come while it runs: health says so, requests get a 503. Raises EngineError
    when the port is taken.
    """
    metrics = RequestMetrics()
    app = create_app(pool, valkey, settings, version=version, metrics=metrics)
    done, began = asyncio.Event(), time.monotonic()

    def figures() -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
        return {"requests": metrics.total}, {"uptime_seconds": time.monotonic() - began}, {}

    reporting = asyncio.create_task(report("api", figures, valkey, done))
    try:
        await serve_http(app, settings.host, settings.port, stop)
    finally:
        done.set()
        await asyncio.wait({reporting}, timeout=2.0)
        reporting.cancel()
