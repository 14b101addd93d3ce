"""The API as one ASGI application: collaborators in, application out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Request
from litestar.types import ASGIApp, Message, Scope
from redis.asyncio import Redis

from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.config import Settings
from openoutcry.services.books import BookReader
from openoutcry.services.candle_pages import PageReader
from openoutcry.services.ready_pages import ReadyPages
from openoutcry.services.status import collect
from openoutcry.services.store_market import StoreMarket
from openoutcry.web.api.binance import binance_routes
from openoutcry.web.api.candles import candle_routes
from openoutcry.web.api.cors import allow_origins
from openoutcry.web.api.errors import HANDLERS
from openoutcry.web.api.health import health_routes
from openoutcry.web.api.live import Live
from openoutcry.web.api.metrics import RequestMetrics, instrument, metrics_routes
from openoutcry.web.api.openapi import openapi_config
from openoutcry.web.api.site import STATIC, site_routes
from openoutcry.web.api.status_cache import StatusCache
from openoutcry.web.api.system import system_routes
from openoutcry.web.api.udf import udf_routes

_MOST_BODY: Final = 1_000_000


def create_app(
    pool: Pool,
    valkey: Redis,
    settings: Settings,
    *,
    version: str,
    metrics: RequestMetrics | None = None,
    static: Path = STATIC,
    ttl: float = 1.0,
    live: Live | None = None,
) -> ASGIApp:
    """Return the application; nothing is asked of `pool` or `valkey` before the first request.

    What is cheap to keep (coverage, instruments, status) is kept for `ttl` seconds. `live` is what
    runs beside the application; without it nothing else is kept.
    """
    metrics = metrics or RequestMetrics()
    live = live or Live.idle(pool, valkey, settings, ttl)
    instruments = InstrumentReader(pool, ttl)
    pages = PageReader(live.blocks, ReadyPages(settings.candle_cache_mb << 18))
    market = StoreMarket(pool, instruments, pages, BookReader(valkey), live.time)
    cache = StatusCache(lambda: collect(pool, valkey, settings), ttl)
    app = Litestar(
        route_handlers=[
            *candle_routes(CandleReader(pool, ttl), pages, instruments),
            *system_routes(
                pool,
                instruments,
                cache,
                ws_url=settings.public_ws_url,
                ws_port=settings.ws_port,
                version=version,
            ),
            *binance_routes(market, live.weights, peer_address),
            *udf_routes(instruments, pages, live.time, settings.venue),
            *health_routes(cache, settings.required_roles),
            *metrics_routes(cache, metrics),
            *site_routes(static),
        ],
        exception_handlers=HANDLERS,
        openapi_config=openapi_config(version),
        request_max_body_size=_MOST_BODY,
        before_send=[_no_sniffing],
        debug=False,
    )
    return instrument(allow_origins(app, settings.allowed_origins), metrics)


def peer_address(request: Request[Any, Any, Any]) -> str:
    """Return the address of whoever is at the other end of the connection."""
    return request.client.host if request.client else "unknown"


async def _no_sniffing(message: Message, _: Scope) -> None:
    """Tell browsers to believe our content types."""
    if message["type"] == "http.response.start":
        headers = list(message["headers"])
        if not any(name == b"x-content-type-options" for name, _ in headers):
            message["headers"] = [*headers, (b"x-content-type-options", b"nosniff")]
