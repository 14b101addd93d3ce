"""`GET /api/v1/markets`: every market of the venue with its last 24 hours, for an overview."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.sparklines import Sparklines
from openoutcry.core.markets import MarketList, MarketRows
from openoutcry.errors import StoreUnavailableError
from openoutcry.services.prices import Prices, PricesUnavailableError
from openoutcry.venues.binance_server_data import Ready
from openoutcry.web.api.described import answers
from openoutcry.web.api.replies import CACHE_HEADERS, reply_ready


class MarketsBody:
    """The list, made at most once in `ttl` seconds, however many ask."""

    def __init__(
        self, prices: Prices, instruments: InstrumentReader, sparklines: Sparklines, ttl: float
    ) -> None:
        self._prices = prices
        self._instruments = instruments
        self._sparklines = sparklines
        self._ttl = ttl
        self._rows = MarketRows()
        self._lock = asyncio.Lock()
        self._made_at = float("-inf")
        self._ready = Ready(b"")

    async def get(self) -> Ready:
        """Return the list. The store may be out: then nothing is marked as carried."""
        async with self._lock:
            if time.monotonic() - self._made_at >= self._ttl:
                self._ready = Ready(msgspec.json.encode(await self._make()))
                self._made_at = time.monotonic()
            return self._ready

    async def _make(self) -> MarketList:
        try:
            view = await self._prices.view()
        except PricesUnavailableError:
            return MarketList("none", None, stale=True, markets=[])
        carried: set[str] = set()
        lines: dict[str, list[float]] = {}
        with suppress(StoreUnavailableError):
            carried = {instrument.symbol for instrument in await self._instruments.all()}
            lines = await self._sparklines.all()
        rows = self._rows.of(view.snapshot.tickers.values(), carried, lines)
        return MarketList(self._prices.source, round(view.age, 1), view.stale, rows)


def market_routes(markets: MarketsBody) -> list[HTTPRouteHandler]:
    """Return the route of the list."""

    @get(
        "/api/v1/markets",
        summary="All markets",
        description=(
            "The last 24 hours of every market of the exchange. `carried` markets are recorded here"
            " and have a `sparkline` of 24 hourly closes. Live: the hub's channel `tickers`."
        ),
        tags=["prices"],
        responses=answers(MarketList),
        response_headers=CACHE_HEADERS,
    )
    async def every(request: Request[Any, Any, Any]) -> Response[bytes]:
        return reply_ready(request, await markets.get(), cache_control="public, max-age=1")

    return [every]
