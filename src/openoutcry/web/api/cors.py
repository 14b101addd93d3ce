"""Let listed web origins read the API from their own pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_MAX_AGE: Final = b"86400"
_ALLOWED_HEADERS: Final = b"accept, content-type, if-none-match"

Headers = list[tuple[bytes, bytes]]


def allow_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return `app` with CORS headers on what `origins` ask (`*`: every one), GET and HEAD only.

    Other origins get the same answer without the headers, so their browsers keep it from them.
    Shared caches are told that answers differ by origin.
    """
    if not origins:
        return app
    everyone = "*" in origins
    known = {origin.rstrip("/").encode() for origin in origins}

    async def with_origin(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        asked = dict(scope["headers"])
        origin = asked.get(b"origin")
        granted = origin is not None and (everyone or origin in known)
        extra: Headers = []
        if granted and origin is not None:
            extra.append((b"access-control-allow-origin", b"*" if everyone else origin))
            extra.append((b"access-control-expose-headers", b"ETag"))
            if b"access-control-request-method" in asked:
                extra.append((b"access-control-allow-methods", b"GET, HEAD"))
                extra.append((b"access-control-allow-headers", _ALLOWED_HEADERS))
                extra.append((b"access-control-max-age", _MAX_AGE))

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if not everyone:
                    headers = _varied(headers)
                message["headers"] = [*headers, *extra]
            await send(message)

        await app(scope, receive, add)

    return with_origin


def _varied(headers: Headers) -> Headers:
    """Return the headers with Origin added to Vary."""
    names = [value for name, value in headers if name.lower() == b"vary"]
    rest = [(name, value) for name, value in headers if name.lower() != b"vary"]
    return [*rest, (b"vary", b", ".join([*names, b"Origin"]))]
