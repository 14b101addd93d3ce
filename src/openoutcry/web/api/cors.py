"""Let listed web origins read the API from their own pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from openoutcry.web.api.limit import LIMIT_HEADERS, PUBLIC

_MAX_AGE: Final = b"86400"
_ALLOWED_HEADERS: Final = b"accept, content-type, if-none-match"
_CREDENTIALS: Final = b", authorization, x-api-key"

Headers = list[tuple[bytes, bytes]]


class _Allowed:
    """A list of origins, as browsers write them."""

    def __init__(self, origins: Sequence[str]) -> None:
        self.everyone = "*" in origins
        self._known = {origin.rstrip("/").encode() for origin in origins}

    def grants(self, origin: bytes) -> bool:
        """Return whether a page of this origin may read."""
        return self.everyone or origin in self._known


def allow_origins(
    app: ASGIApp,
    origins: Sequence[str],
    public: Sequence[str] = (),
    prefix: str = PUBLIC,
    exposed: Sequence[str] = ("ETag", *LIMIT_HEADERS),
    *,
    credentials: bool = False,
) -> ASGIApp:
    """Return `app` with CORS headers on what `origins` ask (`*`: every one), GET and HEAD only.

    Below `prefix`, `public` origins may read as well. Other origins get the same answer without the
    headers, so their browsers keep it from them. Shared caches are told that answers differ by
    origin. `exposed` are the headers that a page may see. With `credentials` pages of `origins` may show
    a token or a key that they have, for where nothing is to be read without; browsers add none.
    """
    if not origins and not public:
        return app
    all_paths, below = _Allowed(origins), _Allowed([*origins, *public])
    told = ", ".join(exposed).encode()

    async def with_origin(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        allowed = below if scope["path"].startswith(prefix) else all_paths
        if allowed is all_paths and not origins:
            await app(scope, receive, send)
            return
        everyone = allowed.everyone
        takes = _ALLOWED_HEADERS + (_CREDENTIALS if credentials and allowed is all_paths else b"")
        asked = dict(scope["headers"])
        origin = asked.get(b"origin")
        extra: Headers = []
        if origin is not None and allowed.grants(origin):
            extra.append((b"access-control-allow-origin", b"*" if everyone else origin))
            extra.append((b"access-control-expose-headers", told))
            if b"access-control-request-method" in asked:
                extra.append((b"access-control-allow-methods", b"GET, HEAD"))
                extra.append((b"access-control-allow-headers", takes))
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
