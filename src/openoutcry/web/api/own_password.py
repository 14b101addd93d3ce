"""`POST /api/v1/auth/password`: another password for oneself, by showing the one that one has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from openoutcry.core.client_address import Network
from openoutcry.services.accounts import Accounts
from openoutcry.web.api.access import SignedIn
from openoutcry.web.api.bodies import body_of, takes
from openoutcry.web.api.client import address_of
from openoutcry.web.api.described import NO_STORE, refusal

_NOT_IT: Final = refusal("The current password is wrong, or an API key")
_MEANWHILE: Final = refusal("The password was changed meanwhile")
_OFTEN: Final = refusal("Too many tries; Retry-After says when")

_Text = Annotated[str, Meta(min_length=1, max_length=1024)]


class OwnPasswordBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The password that one has, and the one that one will have: 10 to 200 characters."""

    current: _Text
    new: _Text


class EndedBody(Struct, frozen=True):
    """How many sessions ended."""

    ended: int


def own_password_route(accounts: Accounts, trusted: Sequence[Network] = ()) -> HTTPRouteHandler:
    """Return the route; behind `trusted` proxies the client's own address counts."""

    @post(
        "/api/v1/auth/password",
        summary="Change one's own password",
        description=(
            "Ends every other session of one's own; this one and API keys stay. A wrong `current` counts"
            " as a wrong password at sign-in does."
        ),
        tags=["accounts"],
        status_code=200,
        response_headers=NO_STORE,
        responses={403: _NOT_IT, 409: _MEANWHILE, 429: _OFTEN},
        operation_class=takes(OwnPasswordBody),
    )
    async def own_password(request: Request[Any, Any, Any], signed_in: SignedIn) -> EndedBody:
        data = await body_of(request, OwnPasswordBody)
        ended = await accounts.change_password(
            signed_in.user,
            signed_in.session,
            data.current,
            data.new,
            address_of(request, trusted),
        )
        return EndedBody(ended)

    return own_password
