"""`/api/v1/auth`: sign up, sign in, refresh, sign out, one's own sessions and API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta, Struct

from openoutcry.adapters.postgres.api_keys import ApiKey
from openoutcry.adapters.postgres.sessions import Session
from openoutcry.core.account_rules import LABEL_PATTERN, LONGEST_LABEL
from openoutcry.core.client_address import Network
from openoutcry.errors import NotFoundError
from openoutcry.model import Scope, User
from openoutcry.services.accounts import Accounts, Grant
from openoutcry.web.api.access import FOR_ALL, AsUser, SignedIn
from openoutcry.web.api.bodies import body_of, takes
from openoutcry.web.api.candles import iso
from openoutcry.web.api.client import address_of
from openoutcry.web.api.described import NO_STORE, answers, refusal
from openoutcry.web.api.own_password import EndedBody, own_password_route

_TAGS: Final = ["accounts"]
_BAD: Final = refusal("The body is not right")
_WRONG: Final = refusal("Wrong name, password or token")
_OFTEN: Final = refusal("Too many tries; Retry-After says when")
_OFF: Final = refusal("Sign-up is off here")
_TAKEN: Final = refusal("The name is taken")
_NONE: Final = refusal("You have no such")

# So long that every real one fits, so short that a huge one is refused before any work.
Text = Annotated[str, Meta(min_length=1, max_length=1024)]


class SignUpBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A name that nobody has yet, and a password of 10 to 200 characters."""

    name: Text
    password: Text


class SignInBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs in."""

    name: Text
    password: Text


class RefreshBody(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The refresh token of the newest answer; each is good once."""

    refresh_token: Text


class GrantBody(Struct, frozen=True, rename="camel"):
    """A pair of tokens; `expiresIn` is the access token's, in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class SessionItem(Struct, frozen=True, rename="camel"):
    """Somewhere that one is signed in; `current` is the one that asks. Times are ISO 8601."""

    id: str
    current: bool
    user_agent: str
    address: str
    created_at: str
    last_used_at: str
    expires_at: str


class SessionsBody(Struct, frozen=True):
    """Sessions, the one used last first."""

    sessions: list[SessionItem]


class NewKeyBody(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A key to be made: what it is called, what it may do, and for how long (null: for good)."""

    name: Annotated[str, Meta(max_length=LONGEST_LABEL, pattern=LABEL_PATTERN)]
    scopes: list[Scope] = []
    expires_in_days: Annotated[int, Meta(ge=1, le=3650)] | None = None


class KeyItem(Struct, frozen=True, rename="camel"):
    """What may be told of an API key. Times are ISO 8601; `lastUsedAt` is right to the minute."""

    prefix: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None


class MadeKeyBody(Struct, frozen=True, rename="camel"):
    """A new key; `key` is told this once."""

    key: str
    info: KeyItem


class RevokedBody(Struct, frozen=True):
    """The prefix of the key that was revoked."""

    revoked: str


class KeysBody(Struct, frozen=True):
    """API keys, newest first, revoked ones among them."""

    keys: list[KeyItem]


def auth_routes(accounts: Accounts, trusted: Sequence[Network] = ()) -> list[HTTPRouteHandler]:
    """Return the routes of accounts; behind `trusted` proxies the client's own address counts."""
    return [
        *_signing_in(accounts, trusted),
        own_password_route(accounts, trusted),
        *_sessions(accounts),
        *_keys(accounts),
    ]


def _signing_in(accounts: Accounts, trusted: Sequence[Network]) -> list[HTTPRouteHandler]:
    @post(
        "/api/v1/auth/sign-up",
        summary="Make an account for oneself",
        opt=FOR_ALL,
        description=(
            "Where the setting `sign_up` is `open`. Signs in at once. An address may do this as often"
            " as it may be wrong about passwords."
        ),
        tags=_TAGS,
        response_headers=NO_STORE,
        responses={400: _BAD, 401: _WRONG, 403: _OFF, 409: _TAKEN, 429: _OFTEN},
        operation_class=takes(SignUpBody),
    )
    async def sign_up(request: Request[Any, Any, Any]) -> GrantBody:
        data = await body_of(request, SignUpBody)
        agent = request.headers.get("user-agent", "")
        address = address_of(request, trusted)
        return _grant(await accounts.sign_up(data.name, data.password, address, agent))

    @post(
        "/api/v1/auth/token",
        summary="Sign in",
        opt=FOR_ALL,
        description=(
            "Begins a session. The access token is good for 15 minutes, the refresh token once."
            " After too many wrong passwords for a name or from an address it says 429."
        ),
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={400: _BAD, 401: _WRONG, 429: _OFTEN},
        operation_class=takes(SignInBody),
    )
    async def token(request: Request[Any, Any, Any]) -> GrantBody:
        data = await body_of(request, SignInBody)
        agent = request.headers.get("user-agent", "")
        address = address_of(request, trusted)
        return _grant(await accounts.sign_in(data.name, data.password, address, agent))

    @post(
        "/api/v1/auth/refresh",
        summary="Exchange a refresh token for a new pair",
        opt=FOR_ALL,
        description=(
            "A refresh token that is shown a second time ends its session: one of the two who"
            " have it is a thief."
        ),
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={400: _BAD, 401: _WRONG},
        operation_class=takes(RefreshBody),
    )
    async def refresh(request: Request[Any, Any, Any]) -> GrantBody:
        data = await body_of(request, RefreshBody)
        return _grant(await accounts.refresh(data.refresh_token))

    @get(
        "/api/v1/auth/me",
        summary="Who am I?",
        description="The user whose access token or API key was shown.",
        tags=_TAGS,
        response_headers=NO_STORE,
        responses=answers(User),
    )
    async def me(user: AsUser) -> User:
        return user

    return [sign_up, token, refresh, me]


def _sessions(accounts: Accounts) -> list[HTTPRouteHandler]:
    @post(
        "/api/v1/auth/sign-out",
        summary="End this session",
        description="Its access token stops working within five seconds, its refresh token at once.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
    )
    async def sign_out(signed_in: SignedIn) -> EndedBody:
        return EndedBody(int(await accounts.end_session(signed_in.user, signed_in.session)))

    @post(
        "/api/v1/auth/sign-out-everywhere",
        summary="End every session of one's own",
        description="This one too. API keys stay.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
    )
    async def sign_out_everywhere(signed_in: SignedIn) -> EndedBody:
        return EndedBody(await accounts.sign_out_everywhere(signed_in.user))

    @get(
        "/api/v1/auth/sessions",
        summary="Where one is signed in",
        description="Sessions that have not ended, the one used last first.",
        tags=_TAGS,
        response_headers=NO_STORE,
        responses=answers(SessionsBody),
    )
    async def sessions(signed_in: SignedIn) -> SessionsBody:
        found = await accounts.sessions(signed_in.user)
        return SessionsBody([_session(each, signed_in.session) for each in found])

    @delete(
        "/api/v1/auth/sessions/{session:str}",
        summary="End one of one's sessions",
        description="By its id in the list.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={404: _NONE},
    )
    async def end_session(signed_in: SignedIn, session: FromPath[str]) -> EndedBody:
        if not await accounts.end_session(signed_in.user, session):
            raise NotFoundError("There is no such session; GET /api/v1/auth/sessions lists yours.")
        return EndedBody(1)

    return [sign_out, sign_out_everywhere, sessions, end_session]


def _keys(accounts: Accounts) -> list[HTTPRouteHandler]:
    @get(
        "/api/v1/auth/keys",
        summary="One's API keys",
        description="Without their secrets, newest first, revoked ones among them.",
        tags=_TAGS,
        response_headers=NO_STORE,
        responses=answers(KeysBody),
    )
    async def keys(signed_in: SignedIn) -> KeysBody:
        return KeysBody([_key(each) for each in await accounts.keys(signed_in.user)])

    @post(
        "/api/v1/auth/keys",
        summary="Make an API key",
        description="The answer is the only one that has the key itself: we keep its hash.",
        tags=_TAGS,
        response_headers=NO_STORE,
        operation_class=takes(NewKeyBody),
    )
    async def make_key(request: Request[Any, Any, Any], signed_in: SignedIn) -> MadeKeyBody:
        data = await body_of(request, NewKeyBody)
        made, text = await accounts.add_key(
            signed_in.user, data.name, data.scopes, data.expires_in_days
        )
        return MadeKeyBody(text, _key(made))

    @delete(
        "/api/v1/auth/keys/{prefix:str}",
        summary="Revoke an API key",
        description="By its prefix. It stops working within five seconds.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={404: _NONE},
    )
    async def revoke_key(signed_in: SignedIn, prefix: FromPath[str]) -> RevokedBody:
        if not await accounts.revoke_key(signed_in.user, prefix):
            raise NotFoundError("There is no such key; GET /api/v1/auth/keys lists yours.")
        return RevokedBody(prefix)

    return [keys, make_key, revoke_key]


def _grant(grant: Grant) -> GrantBody:
    return GrantBody(grant.access_token, "Bearer", grant.expires_in, grant.refresh_token)


def _session(session: Session, current: str) -> SessionItem:
    return SessionItem(
        id=session.id,
        current=session.id == current,
        user_agent=session.user_agent,
        address=session.address,
        created_at=iso(session.created_time),
        last_used_at=iso(session.last_used_time),
        expires_at=iso(session.expires_time),
    )


def _key(key: ApiKey) -> KeyItem:
    return KeyItem(
        prefix=key.prefix,
        name=key.name,
        scopes=key.scopes,
        created_at=iso(key.created_time),
        last_used_at=None if key.last_used_time is None else iso(key.last_used_time),
        expires_at=None if key.expires_time is None else iso(key.expires_time),
        revoked_at=None if key.revoked_time is None else iso(key.revoked_time),
    )
