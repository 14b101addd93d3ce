"""Sign up, sign in, refresh, sign out, and a user's own sessions and keys."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from openoutcry.adapters.postgres import api_keys, sessions, users
from openoutcry.adapters.postgres.api_keys import ApiKey
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.sessions import Reused, Session
from openoutcry.adapters.postgres.users import StoredUser
from openoutcry.core import account_rules, credentials
from openoutcry.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    StoreUnavailableError,
    TooManyTriesError,
    UnauthorizedError,
)
from openoutcry.model import Role, User
from openoutcry.services.account_events import AccountEvent, AccountEvents
from openoutcry.services.identity import Identities
from openoutcry.services.key_maker import make_key, random_credential
from openoutcry.services.passwords import Passwords
from openoutcry.services.sign_in_limits import SignInLimits
from openoutcry.services.tokens import LIFETIME, AccessTokens
from openoutcry.services.user_admin import add_user

_log = structlog.get_logger(__name__)

_LONGEST_AGENT: Final = 200
_DAY: Final = 86_400
_WRONG: Final = "Name or password is wrong."
_WRONG_CURRENT: Final = "The current password is wrong."
_NO_SIGN_UP: Final = "Sign-up is off here; ask an admin for an account."
_NO_REFRESH: Final = "The refresh token is not valid; sign in again."


class Grant(Struct, frozen=True):
    """What somebody who has signed in gets; `expires_in` is the access token's, in seconds."""

    user: User
    session: str
    access_token: str
    refresh_token: str
    expires_in: int = LIFETIME


async def secret_of(pool: Pool, configured: str) -> bytes:
    """Return the secret that signs access tokens: as configured, else the one in the store."""
    if configured:
        return configured.encode()
    return await users.signing_secret(pool, secrets.token_bytes(32))


class Accounts:
    """Everything that a user does with their account.

    `session_days` after its last refresh a session ends; `sign_up` lets strangers make accounts.
    What ends here is forgotten by `identities` at once, elsewhere within seconds.
    """

    def __init__(
        self,
        pool: Pool,
        tokens: AccessTokens,
        identities: Identities,
        *,
        passwords: Passwords,
        limits: SignInLimits,
        session_days: int = 30,
        sign_up: bool = False,
        events: AccountEvents | None = None,
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._identities = identities
        self._passwords = passwords
        self._limits = limits
        self._seconds = session_days * _DAY
        self._open = sign_up
        self._events = events or AccountEvents()

    async def sign_up(self, name: str, password: str, address: str, user_agent: str) -> Grant:
        """Make an account and sign in. Each account costs its address a try of those for passwords.

        Raises ForbiddenError where sign-up is off; BadRequestError, ConflictError (the name is
        taken), TooManyTriesError.
        """
        if not self._open:
            raise ForbiddenError(_NO_SIGN_UP)
        account_rules.check_password(password, account_rules.check_name(name))
        try:
            await self._limits.take_sign_up(address)
        except TooManyTriesError:
            self._events.add(AccountEvent.TOO_MANY_TRIES)
            raise
        await add_user(self._pool, self._passwords, name, Role.USER, password)
        known = await users.find_user(self._pool, name)
        if known is None:  # removed a moment ago
            raise UnauthorizedError(_WRONG)
        self._events.add(AccountEvent.SIGNED_UP)
        _log.info("signed up", user=name, address=address)
        return await self._begin(known, address, user_agent)

    async def sign_in(self, name: str, password: str, address: str, user_agent: str) -> Grant:
        """Begin a session.

        Raises UnauthorizedError, after the same work and with the same words whatever is wrong;
        TooManyTriesError.
        """
        known = await self._prove(name, password, address)
        if known is None:
            _log.info("sign-in refused", address=address)
            raise UnauthorizedError(_WRONG)
        return await self._begin(known, address, user_agent)

    async def _begin(self, known: StoredUser, address: str, user_agent: str) -> Grant:
        token = random_credential(credentials.REFRESH)
        session = await sessions.begin_session(
            self._pool,
            known.user.id,
            known.password_changed_time,
            (credentials.digest(token.public), credentials.digest(token.secret)),
            seen=(_printable(user_agent)[:_LONGEST_AGENT], address),
            seconds=self._seconds,
        )
        if session is None:  # disabled, or another password, a moment ago
            raise UnauthorizedError(_WRONG)
        self._events.add(AccountEvent.SIGNED_IN)
        _log.info("signed in", user=known.user.name, session=session, address=address)
        return await self._grant(known.user, session, token)

    async def refresh(self, text: str) -> Grant:
        """Exchange a refresh token for a new pair. A token that is shown twice ends its session.

        Raises UnauthorizedError.
        """
        shown = credentials.parse(credentials.REFRESH, text)
        if shown is None:
            self._events.add(AccountEvent.WRONG_REFRESH)
            raise UnauthorizedError(_NO_REFRESH)
        token = credentials.renewed(shown, secrets.token_bytes(credentials.SECRET_BYTES))
        found = await sessions.rotate(
            self._pool,
            credentials.digest(shown.public),
            credentials.digest(shown.secret),
            credentials.digest(token.secret),
            self._seconds,
        )
        if isinstance(found, Reused):
            ended = found.session
            self._identities.forget(lambda known: known.session == ended)
            _log.warning("a refresh token was used twice; its session has ended", session=ended)
            self._events.add(AccountEvent.REUSED_REFRESH)
            raise UnauthorizedError(_NO_REFRESH)
        if found is None:
            self._events.add(AccountEvent.WRONG_REFRESH)
            raise UnauthorizedError(_NO_REFRESH)
        user, session = found
        self._events.add(AccountEvent.REFRESHED)
        return await self._grant(user, session, token)

    async def change_password(
        self, user: User, session: str, current: str, new: str, address: str
    ) -> int:
        """Give oneself another password and end every session but this one; return how many ended.

        A wrong `current` counts as a wrong password at sign-in does. Raises BadRequestError (the new one
        will not do), ForbiddenError (the current one is wrong), ConflictError, TooManyTriesError.
        """
        normal = account_rules.check_password(new, user.name)
        known = await self._prove(user.name, current, address)
        if known is None or known.user.id != user.id:
            _log.info("password change refused", user=user.name, address=address)
            raise ForbiddenError(_WRONG_CURRENT)
        ended = await users.change_password(
            self._pool,
            user.id,
            known.password_changed_time,
            await self._passwords.hash(normal),
            session,
        )
        if ended is None:
            raise ConflictError("The password was changed meanwhile; sign in again.")
        self._identities.forget(
            lambda other: other.user.id == user.id and other.session not in {"", session}
        )
        _log.info("password changed", user=user.name, sessions_ended=ended, address=address)
        return ended

    async def sessions(self, user: User) -> list[Session]:
        """Return where the user is signed in, the session used last first."""
        return await sessions.list_sessions(self._pool, user.id)

    async def end_session(self, user: User, session: str) -> bool:
        """End one session; False if this user has none of that id."""
        ended = _is_uuid(session) and await sessions.end_session(self._pool, user.id, session)
        self._identities.forget(lambda known: known.session == session and known.user == user)
        return ended

    async def sign_out_everywhere(self, user: User) -> int:
        """End every session of the user; return how many there were. API keys stay."""
        count = await sessions.end_sessions(self._pool, user.id)
        self._identities.forget(lambda known: known.user.id == user.id and bool(known.session))
        return count

    async def keys(self, user: User) -> list[ApiKey]:
        """Return the user's API keys, newest first, revoked ones among them."""
        return await api_keys.list_keys(self._pool, user.id)

    async def add_key(
        self, user: User, label: str, scopes: Iterable[str] = (), days: int | None = None
    ) -> tuple[ApiKey, str]:
        """Make an API key; return it and its text, which is told this once.

        Raises BadRequestError.
        """
        return await make_key(self._pool, user, label, scopes, days)

    async def revoke_key(self, user: User, prefix: str) -> bool:
        """Revoke a key; False if this user has none of that prefix in force."""
        revoked = await api_keys.revoke_key(self._pool, prefix, user.id)
        self._identities.forget(lambda known: known.key == prefix and known.user == user)
        return revoked

    async def _prove(self, name: str, password: str, address: str) -> StoredUser | None:
        """Return the user if this is their password, None if not; a wrong one costs a try.

        Raises TooManyTriesError.
        """
        try:
            await self._limits.take(name, address)
        except TooManyTriesError:
            self._events.add(AccountEvent.TOO_MANY_TRIES)
            raise
        try:
            known = await self._check(name, password)
        except (StoreUnavailableError, TooManyTriesError):
            await self._limits.give_back(name, address, right=False)
            raise
        if known is None:
            self._events.add(AccountEvent.WRONG_PASSWORD)
            return None
        await self._limits.give_back(name, address, right=True)
        return known

    async def _check(self, name: str, password: str) -> StoredUser | None:
        """Return the user if this is their password and they may sign in; one way for every answer."""
        try:
            normal = account_rules.normal_password(password)
        except BadRequestError:
            normal = ""
        found = await users.find_user(self._pool, name) if account_rules.is_name(name) else None
        stored = found.password_hash if found else None
        right, better = await self._passwords.check(normal, stored)
        if found is None or not right or found.disabled:
            return None
        if better:
            await users.rehash(self._pool, found.user.id, found.password_hash, better)
        return found

    async def _grant(self, user: User, session: str, token: credentials.Credential) -> Grant:
        return Grant(user, session, await self._tokens.sign(user, session), str(token))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)
