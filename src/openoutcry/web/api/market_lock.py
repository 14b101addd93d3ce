"""Market data for users only: what stands before it where `public_market_data` is off.

A route is for everybody if it says so (`opt=FOR_ALL`), and asks for itself if it declares one of the
dependencies of `access`. Every other route is taken for market data and is locked here: a new route that
says nothing is closed, not open.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from litestar import Request
from litestar.config.app import AppConfig
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from openoutcry.errors import ForbiddenError
from openoutcry.model import Scope as KeyScope
from openoutcry.services.identity import Identity
from openoutcry.web.api.access import ASKING, FOR_ALL, Asked
from openoutcry.web.api.errors import BinanceError, ErrorBody, is_binance

# Asked again each time, so that a browser shows nothing to whoever has signed out; unchanged answers
# are a 304. No cache that others share may keep them.
PRIVATE: Final = b"private, no-cache"

_OPEN: Final = next(iter(FOR_ALL))

Identify = Callable[[Asked], Awaitable[Identity]]


def lock_market_data(identify: Identify) -> Callable[[ASGIApp], ASGIApp]:
    """Return the middleware that lets only those in who are known, and keeps answers from caches."""

    def lock(app: ASGIApp) -> ASGIApp:
        async def locked(scope: Scope, receive: Receive, send: Send) -> None:
            # A preflight carries no credentials and no data.
            if (
                scope["type"] != ScopeType.HTTP
                or scope["method"] == "OPTIONS"
                or scope["route_handler"].opt.get(_OPEN)
            ):
                await app(scope, receive, send)
                return
            identity = await identify(Request(scope, receive, send))
            if KeyScope.READ not in identity.scopes:
                raise ForbiddenError("This API key lacks the scope `read`.")

            async def keep(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = _kept_from_caches(message["headers"])
                await send(message)

            await app(scope, receive, keep)

        return locked

    return lock


def open_what_asks(config: AppConfig) -> AppConfig:
    """Leave alone what finds out for itself who asks; say of the rest that it is locked."""
    for handler in config.route_handlers:
        if not isinstance(handler, HTTPRouteHandler):
            continue
        if asks_for_itself(handler):
            handler.opt |= FOR_ALL
        elif not handler.opt.get(_OPEN):
            _say_locked(handler)
    return config


def asks_for_itself(handler: HTTPRouteHandler) -> bool:
    """Return whether a handler declares a dependency that says who may."""
    return bool(ASKING & set(inspect.signature(handler.fn).parameters))


def _say_locked(handler: HTTPRouteHandler) -> None:
    binance = any(is_binance(path) for path in handler.paths)
    ways = ("bearer", "apiKey", "binanceKey") if binance else ("bearer", "apiKey")
    handler.security = [{way: []} for way in ways]
    shape = BinanceError if binance else ErrorBody
    refused = ResponseSpec(shape, description="Not signed in", generate_examples=False)
    handler.responses = {401: refused, **(handler.responses or {})}


def _kept_from_caches(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (name, PRIVATE if name.lower() == b"cache-control" and value != b"no-store" else value)
        for name, value in headers
    ]
