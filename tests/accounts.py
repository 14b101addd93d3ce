"""Users for tests of what needs one: made quickly, signed in over HTTP."""

from __future__ import annotations

import asyncpg
import httpx
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from redis.asyncio import Redis

from openoutcry.adapters.postgres.users import add_user
from openoutcry.adapters.valkey.tries import SharedTries
from openoutcry.model import Role, Scope, User
from openoutcry.services.accounts import Accounts, secret_of
from openoutcry.services.identity import Identities
from openoutcry.services.key_maker import make_key as make_stored_key
from openoutcry.services.passwords import Passwords
from openoutcry.services.sign_in_limits import SignInLimits, SignInOptions
from openoutcry.services.tokens import AccessTokens

PASSWORD = "eleven brown otters"  # noqa: S105 - of nobody real


def quick() -> PasswordHash:
    """Return argon2id that takes a millisecond."""
    return PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))


async def make_user(
    pool: asyncpg.Pool, name: str = "ada", role: Role = Role.USER, password: str = PASSWORD
) -> User:
    """Add a user; `pool` is one of `open_pool`."""
    return await add_user(pool, name, role, await Passwords(quick).hash(password))


async def make_key(pool: asyncpg.Pool, user: User, *scopes: Scope) -> str:
    """Add an API key of these scopes (and `read`) and return its text."""
    return (await make_stored_key(pool, user, "test", scopes, None))[1]


async def sign_in(api: httpx.AsyncClient, name: str = "ada") -> dict[str, str]:
    """Sign in over HTTP and return the headers of somebody who has."""
    answer = await api.post("/api/v1/auth/token", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


def make_identities(pool: asyncpg.Pool, ttl: float = 5.0) -> tuple[AccessTokens, Identities]:
    """Return what one API process has to know who asks."""

    async def secret() -> bytes:
        return await secret_of(pool, "")

    tokens = AccessTokens(secret)
    return tokens, Identities(pool, tokens, ttl)


def make_accounts(
    pool: asyncpg.Pool,
    valkey: Redis,
    *,
    options: SignInOptions | None = None,
    passwords: Passwords | None = None,
) -> tuple[Accounts, Identities]:
    """Return the accounts of one API process."""
    tokens, identities = make_identities(pool)
    accounts = Accounts(
        pool,
        tokens,
        identities,
        passwords=passwords or Passwords(quick),
        limits=SignInLimits(SharedTries(valkey), options or SignInOptions()),
    )
    return accounts, identities
