"""What everybody may read: the public counter of the platform's trades."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import Scope
from msgspec import Struct

from openoutcry.core.trade_stats import TradeStats
from openoutcry.services.trade_stats import KnownStats
from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.described import refusal
from openoutcry.web.api.hot import JSON, NO_SNIFFING, Headers, HotAnswer, asked_for
from openoutcry.web.api.limit import LIMIT_HEADERS
from openoutcry.web.api.replies import CACHE_HEADERS, etag_of

TRADES: Final = "/api/public/stats/trades"

_CACHE: Final = b"public, max-age=5, s-maxage=5"


class TradeStatsBody(Struct, frozen=True):
    """The counter's answer."""

    success: bool
    data: TradeStats
    message: str


class PublicStats:
    """The counter's answer, encoded once for all who get the same figures."""

    def __init__(self, known: KnownStats) -> None:
        self.known = known
        self._stats: TradeStats | None = None
        self._body = self._etag = b""
        self._headers: Headers = []

    def hot(self, scope: Scope) -> HotAnswer | None:
        """Answer at once, if the figures are there."""
        stats = self.known.ready()
        return None if stats is None else self.answer(stats, scope["headers"])

    def answer(self, stats: TradeStats, asked: Iterable[tuple[bytes, bytes]]) -> HotAnswer:
        """Return the answer to a request with the headers `asked`."""
        if stats is not self._stats:
            self._prepare(stats)
        if asked_for(asked, self._etag):
            return HotAnswer(304, self._headers, b"")
        return HotAnswer(200, self._headers, self._body)

    def _prepare(self, stats: TradeStats) -> None:
        body = msgspec.json.encode(TradeStatsBody(True, stats, "trade stats retrieved"))
        if body != self._body:
            self._body, self._etag = body, etag_of(body).encode()
            self._headers = [
                JSON,
                (b"cache-control", _CACHE),
                (b"etag", self._etag),
                NO_SNIFFING,
            ]
        self._stats = stats


def public_routes(stats: PublicStats) -> list[HTTPRouteHandler]:
    """Return the routes below `/api/public`; the limit of requests stands in front of them."""

    @get(
        TRADES,
        summary="Trades on the platform",
        opt=FOR_ALL,
        description=(
            "Of the last 7 and 30 days, UTC, today being the first. No sign-in; 120 requests a minute"
            " from one address."
        ),
        tags=["public"],
        responses={
            200: ResponseSpec(TradeStatsBody, generate_examples=False),
            429: refusal("Too many requests"),
            503: refusal("Not known yet"),
        },
        response_headers=[
            *CACHE_HEADERS,
            *(
                ResponseHeader(name=name, description="The limit.", documentation_only=True)
                for name in LIMIT_HEADERS
                if name != "Retry-After"
            ),
        ],
    )
    async def trades(request: Request[Any, Any, Any]) -> Response[bytes]:
        answer = stats.answer(await stats.known.get(), request.scope["headers"])
        return Response(
            answer.body,
            status_code=answer.status,
            headers={name.decode(): value.decode() for name, value in answer.headers},
            media_type="application/json",
        )

    return [trades]
