"""`/api/v3/…`: Binance's REST market data from our own store, in Binance's own shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import HttpMethod, Request, Response, get, route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from openoutcry.core.client_address import address_group
from openoutcry.services.client_weight import ClientWeights, seconds_left, wall
from openoutcry.venues.binance_server_data import MarketData
from openoutcry.venues.binance_server_rest import ApiError, Reply, answer, error_reply, weigh
from openoutcry.venues.binance_server_shapes import refusal_text
from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.binance_document import ENDPOINTS, Endpoint, operation
from openoutcry.web.api.errors import BinanceError, binance_failure
from openoutcry.web.api.replies import JSON, reply, reply_ready

AddressOf = Callable[[Request[Any, Any, Any]], str]

_PREFIXES: Final = ("/api/v3/", "/fapi/", "/dapi/")
_CHECK: Final = "no-cache"
_ALL_METHODS: Final = [
    *(HttpMethod.GET, HttpMethod.HEAD, HttpMethod.POST),
    *(HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE),
]


def binance_routes(
    market: MarketData, weights: ClientWeights, address_of: AddressOf
) -> list[HTTPRouteHandler]:
    """Return the routes of Binance's market data, which answer from `market`."""

    async def respond(request: Request[Any, Any, Any]) -> Response[bytes]:
        path = request.scope["path"]
        params = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), True))
        now = wall()
        used = weights.spend(address_group(address_of(request)), weigh(path, params), now)
        headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        if used > weights.limit:
            text = refusal_text(429, weights.limit, 0)
            headers |= {"Retry-After": str(seconds_left(now)), "Cache-Control": "no-store"}
            body = error_reply(ApiError(-1003, text, 429)).body
            return Response(body, status_code=429, headers=headers, media_type=JSON)
        micro = request.headers.get("x-mbx-time-unit", "").upper() == "MICROSECOND"
        found = await answer(market, path, params, micro=micro, weight_limit=weights.limit)
        return _send(request, found, headers)

    @route(
        ["/api/v3", *(f"{prefix}{{path:path}}" for prefix in _PREFIXES)],
        http_method=_ALL_METHODS,
        include_in_schema=False,
    )
    async def unknown() -> Response[bytes]:
        return binance_failure(404)

    return [*(_route(endpoint, respond) for endpoint in ENDPOINTS), unknown]


def _send(
    request: Request[Any, Any, Any], found: Reply | None, headers: dict[str, str]
) -> Response[bytes]:
    if found is None:
        return binance_failure(404, headers)
    if found.status != 200:
        sent = {"Cache-Control": "no-store", **headers}
        return Response(found.body, status_code=found.status, headers=sent, media_type=JSON)
    if found.ready is not None:
        return reply_ready(request, found.ready, cache_control=_CHECK, headers=headers)
    return reply(request, found.body, cache_control=_CHECK, headers=headers)


def _route(endpoint: Endpoint, respond: Any) -> HTTPRouteHandler:
    """Return the route of one endpoint; what it takes is checked by the protocol, not here."""

    @get(
        endpoint.path,
        name=f"binance:{endpoint.path}",
        summary=endpoint.summary,
        description=f"{endpoint.description} Weight: {endpoint.weight}.",
        opt=FOR_ALL if endpoint.for_all else None,
        tags=["Binance-compatible"],
        operation_id=endpoint.operation_id,
        operation_class=operation(endpoint),
        responses={
            200: ResponseSpec(endpoint.answer, description="As Binance", generate_examples=False),
            400: ResponseSpec(BinanceError, description="What is wrong", generate_examples=False),
            429: ResponseSpec(BinanceError, description="Too much weight", generate_examples=False),
            503: ResponseSpec(BinanceError, description="No store", generate_examples=False),
        },
    )
    async def binance(request: Request[Any, Any, Any]) -> Response[bytes]:
        response: Response[bytes] = await respond(request)
        return response

    return binance
