"""Who may do what: the dependencies that protect a route.

A handler is protected by declaring one of them:

- `user: AsUser`: signed in, or with an API key; for anything but GET and HEAD the key needs the scope
  `trade`.
- `admin: AsUser`: the same, of an admin; a key needs the scope `admin`.
- `signed_in: SignedIn`: signed in by password, not by a key: for what a stolen key must not do, such
  as making further keys.

One that declares none of them is for everybody if it says `opt=FOR_ALL`. Otherwise it serves market
data, which `market_lock` keeps for users where `public_market_data` is off.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from litestar import Request
from litestar.config.app import AppConfig
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Components, SecurityScheme

from openoutcry.core import credentials
from openoutcry.core.client_address import Network
from openoutcry.errors import ForbiddenError, UnauthorizedError
from openoutcry.model import Role, Scope, User
from openoutcry.services.identity import Identities, Identity
from openoutcry.services.wrong_keys import WrongKeys
from openoutcry.web.api.client import address_of
from openoutcry.web.api.described import refusal
from openoutcry.web.api.errors import is_binance

KEY_HEADER: Final = "X-API-Key"
BINANCE_KEY_HEADER: Final = "X-MBX-APIKEY"
"""What clients of Binance send a key in; taken on Binance's paths."""

FOR_ALL: Final = {"for_all": True}
"""The `opt` of a route that needs no sign-in under any setting."""
ASKING: Final = frozenset({"user", "admin", "signed_in"})
"""The dependencies of a route that finds out who asks."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT: Final = (
    f"Sign in: send `Authorization: Bearer <access token>`, or an API key as `{KEY_HEADER}: ok_…`."
)

SECURITY_SCHEMES: Final = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http",
            scheme="bearer",
            bearer_format="JWT",
            description="An access token of `POST /api/v1/auth/token`; an API key will do as well.",
        ),
        "apiKey": SecurityScheme(
            type="apiKey",
            name=KEY_HEADER,
            security_scheme_in="header",
            description="An API key, `ok_<prefix>_<secret>`.",
        ),
        "binanceKey": SecurityScheme(
            type="apiKey",
            name=BINANCE_KEY_HEADER,
            security_scheme_in="header",
            description="The same API key, as clients of Binance send theirs.",
        ),
    }
)

AsUser: TypeAlias = NamedDependency[User]
SignedIn: TypeAlias = NamedDependency[Identity]
Asked: TypeAlias = Request[Any, Any, Any]


def access_dependencies(
    identify: Callable[[Asked], Awaitable[Identity]],
) -> dict[str, Provide]:
    """Return the application's dependencies `user`, `admin` and `signed_in`."""

    async def user(request: Asked) -> User:
        identity = await identify(request)
        if request.method not in _SAFE:
            _need(identity, Scope.TRADE)
        return identity.user

    async def admin(request: Asked) -> User:
        identity = await identify(request)
        if identity.user.role is not Role.ADMIN:
            raise ForbiddenError("This is for admins; sign in as one.")
        _need(identity, Scope.ADMIN)
        return identity.user

    async def signed_in(request: Asked) -> Identity:
        identity = await identify(request)
        if not identity.session:
            raise ForbiddenError("An API key cannot do this; sign in with name and password.")
        return identity

    return {"user": Provide(user), "admin": Provide(admin), "signed_in": Provide(signed_in)}


def say_who_may(config: AppConfig) -> AppConfig:
    """Say of each handler in the OpenAPI document whether and how one has to sign in."""
    for handler in config.route_handlers:
        if not isinstance(handler, HTTPRouteHandler):
            continue
        wants = set(inspect.signature(handler.fn).parameters)
        if not wants & ASKING:
            continue
        bearer: dict[str, list[str]] = {"bearer": []}
        handler.security = [bearer] if "signed_in" in wants else [bearer, {"apiKey": []}]
        refusals = {
            400: "The request is not right",
            401: "Not signed in, or by something that is not valid",
            403: "Not allowed",
            429: "Too many wrong API keys; Retry-After says when",
        }
        handler.responses = {
            **{status: refusal(text) for status, text in refusals.items()},
            **(handler.responses or {}),
        }
    return config


def shown_credential(request: Asked) -> str | None:
    """Return the token or key that came with a request, None without one.

    Raises UnauthorizedError for another kind of Authorization, and for two credentials.
    """
    bearer = request.headers.get("authorization")
    keys = [request.headers.get(KEY_HEADER)]
    if is_binance(request.scope["path"]):
        keys.append(request.headers.get(BINANCE_KEY_HEADER))
    shown = [key for key in keys if key is not None]
    if len(shown) + (bearer is not None) > 1:
        raise UnauthorizedError(f"Send Authorization or {KEY_HEADER}, not both.")
    if bearer is None:
        return shown[0] if shown else None
    scheme, _, token = bearer.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError(_WITHOUT)
    return token.strip()


def identifier(
    identities: Identities, wrong_keys: WrongKeys | None = None, trusted: Sequence[Network] = ()
) -> Callable[[Asked], Awaitable[Identity]]:
    """Return what finds out who makes a request. Raises UnauthorizedError, TooManyTriesError.

    With `wrong_keys` an address that has shown too many is refused; behind `trusted` proxies the
    client's own address counts.
    """

    async def identify(request: Asked) -> Identity:
        shown = shown_credential(request)
        if shown is None:
            raise UnauthorizedError(_WITHOUT, shown=False)
        if wrong_keys is None or not shown.startswith(f"{credentials.KEY}_"):
            return await identities.of(shown)
        address = address_of(request, trusted)
        # Somebody else's wrong keys from the same address do not lock a right one out.
        if not identities.has_been_right(shown):
            wrong_keys.check(address)
        try:
            return await identities.of(shown)
        except UnauthorizedError:
            await wrong_keys.count(address)
            raise

    return identify


def _need(identity: Identity, scope: Scope) -> None:
    if scope not in identity.scopes:
        raise ForbiddenError(f"The API key lacks the scope `{scope}`; make one that has it.")
