"""Users for tests of what needs one: made quickly, signed in over HTTP."""

from __future__ import annotations

import os

import asyncpg
import httpx

from openoutcry.adapters.postgres.api_keys import add_key
from openoutcry.adapters.postgres.users import add_user
from openoutcry.core import credentials
from openoutcry.model import Role, Scope, User
from openoutcry.services.passwords import Passwords

PASSWORD = "eleven brown otters"  # noqa: S105 - of nobody real


async def make_user(pool: asyncpg.Pool, name: str = "ada", role: Role = Role.USER) -> User:
    """Add a user whose password is PASSWORD; `pool` is one of `open_pool`."""
    return await add_user(pool, name, role, await Passwords().hash(PASSWORD))


async def make_key(pool: asyncpg.Pool, user: User, *scopes: Scope) -> str:
    """Add an API key of these scopes (and `read`) and return its text."""
    key = credentials.make(credentials.KEY, os.urandom(9), os.urandom(32))
    wanted = (Scope.READ, *scopes)
    await add_key(
        pool,
        user.id,
        key.public,
        credentials.digest(key.secret),
        name="test",
        scopes=wanted,
        days=None,
    )
    return str(key)


async def sign_in(api: httpx.AsyncClient, name: str = "ada") -> dict[str, str]:
    """Sign in over HTTP and return the headers of somebody who has."""
    answer = await api.post("/api/v1/auth/token", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}
