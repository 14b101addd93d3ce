"""The `api` role: one process that serves the API and reports its own figures."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import PackageNotFoundError, version

from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.valkey.client import connect
from openoutcry.config import Settings
from openoutcry.services.status import report
from openoutcry.web.api.app import create_app
from openoutcry.web.api.http_server import serve_http
from openoutcry.web.api.metrics import RequestMetrics


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve on `settings.host`:`settings.port` until `stop`.

    Needs `database_url` and `valkey_url`; the engines may be down when it starts, then health says
    so and requests get a 503. Raises EngineError when the port is taken.
    """
    metrics = RequestMetrics()
    pool = await open_pool(settings.database_url, application_name="outcry-api", stateless=True)
    valkey = connect(settings.valkey_url)
    app = create_app(pool, valkey, settings, version=_version(), metrics=metrics)
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
        await valkey.aclose()
        pool.terminate()


def _version() -> str:
    try:
        return version("openoutcry")
    except PackageNotFoundError:
        return "0+source"
