"""The `api` role: one process that serves the API and reports its own figures."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from redis.asyncio import Redis

from openoutcry.adapters.postgres.pool import Pool
from openoutcry.config import Settings
from openoutcry.services.status import report
from openoutcry.web.api.app import create_app
from openoutcry.web.api.metrics import RequestMetrics
from openoutcry.web.api.server import serve_http
from openoutcry.web.api.site import STATIC


async def serve(
    pool: Pool,
    valkey: Redis,
    settings: Settings,
    stop: asyncio.Event,
    *,
    version: str,
    static: Path = STATIC,
) -> None:
    """Serve on `settings.host`:`settings.port` until `stop`; the caller closes what it passed in.

    Engines may be down when it starts: health says so, requests get a 503. Raises EngineError when
    the port is taken.
    """
    metrics = RequestMetrics()
    app = create_app(pool, valkey, settings, version=version, metrics=metrics, static=static)
    done = asyncio.Event()
    began = time.monotonic()

    def figures() -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
        uptime = time.monotonic() - began
        return {"requests": metrics.total}, {"uptime_seconds": round(uptime, 3)}, {}

    reporting = asyncio.create_task(report("api", figures, valkey, done))
    try:
        await serve_http(app, settings.host, settings.port, stop)
    finally:
        done.set()
        await asyncio.wait({reporting}, timeout=2.0)
        reporting.cancel()
