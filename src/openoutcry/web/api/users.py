"""`/api/v1/users`: an admin lists users, adds them, shuts them out and lets them in again."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from msgspec import Meta, Struct

from openoutcry.adapters.postgres import users
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.users import StoredUser
from openoutcry.errors import BadRequestError, ConflictError, NotFoundError
from openoutcry.model import Role, User
from openoutcry.services.identity import Identities
from openoutcry.services.passwords import Passwords
from openoutcry.services.user_admin import add_user, change_password
from openoutcry.web.api.access import AsUser, SignedIn
from openoutcry.web.api.bodies import body_of, takes
from openoutcry.web.api.candles import iso
from openoutcry.web.api.described import NO_STORE, answers, refusal
from openoutcry.web.api.pages import LIMIT, limit_of, number_of

_TAGS: Final = ["accounts"]
_NONE: Final = refusal("There is no such user")
_CLASH: Final = refusal("The name is taken, or it is oneself")
_OFTEN: Final = refusal("Too many at once; Retry-After says when")

_Text = Annotated[str, Meta(min_length=1, max_length=1024)]


class NewUserBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A user to be added; the password has 10 to 200 characters."""

    name: _Text
    password: _Text
    role: Role = Role.USER


class NewPasswordBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A user's password from now on: 10 to 200 characters."""

    password: _Text


class RoleBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a user may do from now on."""

    role: Role


class UserItem(Struct, frozen=True, rename="camel"):
    """A user as an admin sees them. Times are ISO 8601."""

    id: int
    name: str
    role: Role
    disabled: bool
    created_at: str


class UsersBody(Struct, frozen=True):
    """Users, oldest first; `next` is the `after` of the following page, null on the last."""

    users: list[UserItem]
    next: int | None


def user_routes(pool: Pool, passwords: Passwords, identities: Identities) -> list[HTTPRouteHandler]:
    """Return the routes of an admin's users."""
    return [*_list(pool, passwords), *_changes(pool, passwords, identities)]


def _list(pool: Pool, passwords: Passwords) -> list[HTTPRouteHandler]:
    @get(
        "/api/v1/users",
        summary="All users",
        description="For admins. Oldest first, without anything of theirs.",
        tags=_TAGS,
        response_headers=NO_STORE,
        responses=answers(UsersBody),
    )
    async def listed(
        admin: AsUser,  # noqa: ARG001 - declared, so that only admins get here
        after: Annotated[
            str, QueryParameter(name="after", description="`next` of the page before.")
        ] = "0",
        limit: Annotated[str, LIMIT] = "50",
    ) -> UsersBody:
        most = limit_of(limit)
        found = await users.page_of_users(pool, number_of("after", after), most + 1)
        page = found[:most]
        following = page[-1].user.id if len(found) > most else None
        return UsersBody([_item(each) for each in page], following)

    @post(
        "/api/v1/users",
        summary="Add a user",
        description="For admins who have signed in; an API key cannot make users.",
        tags=_TAGS,
        response_headers=NO_STORE,
        responses={409: _CLASH, 429: _OFTEN},
        operation_class=takes(NewUserBody),
    )
    async def add(
        request: Request[Any, Any, Any],
        signed_in: SignedIn,  # noqa: ARG001 - declared, so that no key gets here
        admin: AsUser,  # noqa: ARG001 - declared, so that only admins get here
    ) -> User:
        data = await body_of(request, NewUserBody)
        return await add_user(pool, passwords, data.name, data.role, data.password)

    return [listed, add]


def _changes(pool: Pool, passwords: Passwords, identities: Identities) -> list[HTTPRouteHandler]:
    told = partial(_changed, pool, identities)

    @post(
        "/api/v1/users/{user_id:str}/disable",
        summary="Shut a user out",
        description="Their sessions end and their keys are refused, within five seconds.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={404: _NONE, 409: _CLASH},
    )
    async def disable(
        signed_in: SignedIn,  # noqa: ARG001 - declared, so that no key gets here
        admin: AsUser,
        user_id: FromPath[str],
    ) -> UserItem:
        text = "You cannot shut yourself out; another admin can."
        name = await _other(pool, user_id, admin, text)
        return await told(await users.set_disabled(pool, name, disabled=True))

    @post(
        "/api/v1/users/{user_id:str}/enable",
        summary="Let a user in again",
        description="Keys that were not revoked work again.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={404: _NONE},
    )
    async def enable(
        signed_in: SignedIn,  # noqa: ARG001 - declared, so that no key gets here
        admin: AsUser,  # noqa: ARG001 - declared, so that only admins get here
        user_id: FromPath[str],
    ) -> UserItem:
        name = await _name(pool, user_id)
        return await told(await users.set_disabled(pool, name, disabled=False))

    @post(
        "/api/v1/users/{user_id:str}/password",
        summary="Give a user another password",
        description=(
            "Their sessions end within five seconds; API keys stay. For one's own there is"
            " POST /api/v1/auth/password, which asks for the current one."
        ),
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={404: _NONE, 409: _CLASH, 429: _OFTEN},
        operation_class=takes(NewPasswordBody),
    )
    async def password(
        request: Request[Any, Any, Any],
        signed_in: SignedIn,  # noqa: ARG001 - declared, so that no key gets here
        admin: AsUser,
        user_id: FromPath[str],
    ) -> UserItem:
        data = await body_of(request, NewPasswordBody)
        text = "For your own password there is POST /api/v1/auth/password."
        name = await _other(pool, user_id, admin, text)
        return await told(await change_password(pool, passwords, name, data.password))

    @post(
        "/api/v1/users/{user_id:str}/role",
        summary="Make a user an admin, or no more",
        description="Holds within five seconds, for sessions and keys that there are as well.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses={404: _NONE, 409: _CLASH},
        operation_class=takes(RoleBody),
    )
    async def role(
        request: Request[Any, Any, Any],
        signed_in: SignedIn,  # noqa: ARG001 - declared, so that no key gets here
        admin: AsUser,
        user_id: FromPath[str],
    ) -> UserItem:
        data = await body_of(request, RoleBody)
        text = "You cannot change your own role; another admin can."
        name = await _other(pool, user_id, admin, text)
        return await told(await users.set_role(pool, name, data.role))

    return [disable, enable, password, role]


async def _changed(pool: Pool, identities: Identities, user: User) -> UserItem:
    """Return a user as they are now; who they are is looked up anew with their next request."""
    identities.forget(lambda known: known.user.id == user.id)
    found = await users.find_user(pool, user.name)
    if found is None:
        raise NotFoundError(f"There is no user {user.name!r}.")
    return _item(found)


async def _other(pool: Pool, text: str, admin: User, reason: str) -> str:
    """Return the name of the user of that id. Raises NotFoundError; ConflictError if it is the admin."""
    name = await _name(pool, text)
    if name == admin.name:
        raise ConflictError(reason)
    return name


async def _name(pool: Pool, text: str) -> str:
    """Return the name of the user of that id. Raises NotFoundError."""
    try:
        name = await users.name_of(pool, number_of("user", text))
    except BadRequestError:
        name = None
    if name is None:
        raise NotFoundError("There is no such user; GET /api/v1/users lists them.")
    return name


def _item(stored: StoredUser) -> UserItem:
    return UserItem(
        id=stored.user.id,
        name=stored.user.name,
        role=stored.user.role,
        disabled=stored.disabled,
        created_at=iso(stored.created_time),
    )
