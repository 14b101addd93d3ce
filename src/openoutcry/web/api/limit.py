"""Limits of requests from one address, in front of everything that answers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from openoutcry.core.client_address import Network, group_of, nearest
from openoutcry.services.request_limits import WINDOW, RequestLimits, Verdict
from openoutcry.web.api.hot import JSON, NO_SNIFFING, Headers

PUBLIC: Final = "/api/public/"

LIMIT_HEADERS: Final = (
    "RateLimit-Policy",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
)

_BODY: Final = b'{"success":false,"message":"Too many requests, please try again later"}'
_ADDRESSES: Final = 8192


def limit_requests(
    app: ASGIApp,
    limits: RequestLimits,
    trusted: Sequence[Network],
    prefix: str | tuple[str, ...] = PUBLIC,
) -> ASGIApp:
    """Return `app` with `limits` on every request below `prefix`, and their headers on every answer.

    A preflight (OPTIONS) is the browser's own question and does not count.
    """
    who = _clients(trusted)
    template = f"{prefix if isinstance(prefix, str) else prefix[0]}*"
    policy = f"{limits.rule.most};w={WINDOW}".encode()
    fixed: Headers = [
        (b"ratelimit-policy", policy),
        (b"ratelimit-limit", str(limits.rule.most).encode()),
    ]

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != ScopeType.HTTP
            or scope["method"] == "OPTIONS"
            or not scope["path"].startswith(prefix)
        ):
            await app(scope, receive, send)
            return
        client = who(scope)
        verdict = limits.known(client) or await limits.take(client)
        headers = [*fixed, *_headers(verdict)]
        if not verdict.allowed:
            await _refuse(scope, send, headers, template)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, add)

    return limited


def _headers(verdict: Verdict) -> Headers:
    reset = b"%d" % -(-verdict.wait // 1_000_000)
    headers = [(b"ratelimit-remaining", b"%d" % verdict.left), (b"ratelimit-reset", reset)]
    if not verdict.allowed:
        headers.append((b"retry-after", reset))
    return headers


async def _refuse(scope: Scope, send: Send, headers: Headers, template: str) -> None:
    scope["path_template"] = template  # what requests are counted by
    await send(
        {
            "type": "http.response.start",
            "status": 429,
            "headers": [JSON, (b"cache-control", b"no-store"), NO_SNIFFING, *headers],
        }
    )
    body = b"" if scope.get("method") == "HEAD" else _BODY
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _clients(trusted: Sequence[Network]) -> Callable[[Scope], str]:
    """Return the function that names the client of a request: an address, for IPv6 its /56."""

    @lru_cache(maxsize=_ADDRESSES)
    def group(peer: str, forwarded: tuple[str, ...]) -> str:
        return group_of(nearest(peer, forwarded, trusted))

    def who(scope: Scope) -> str:
        peer = scope.get("client")
        forwarded: tuple[str, ...] = ()
        if trusted:
            forwarded = tuple(
                value.decode("latin-1")
                for name, value in scope["headers"]
                if name == b"x-forwarded-for"
            )
        return group(peer[0] if peer else "", forwarded)

    return who
