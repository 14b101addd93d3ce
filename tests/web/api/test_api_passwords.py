"""Other passwords and roles over HTTP: one's own, and an admin's of somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from accounts import PASSWORD, make_key, make_user, sign_in
from fixtures_api import client_of
from openoutcry.config import Settings
from openoutcry.model import Role, Scope
from openoutcry.web.api.app import create_app

OWN, ME, USERS = "/api/v1/auth/password", "/api/v1/auth/me", "/api/v1/users"
NEW = "seven green herons"


@pytest.fixture
async def strict(store: asyncpg.Pool, valkey: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """An application that takes three wrong passwords of a name."""
    settings = Settings(sign_in_tries=3)
    async with client_of(create_app(store, valkey, settings, version="1")) as client:
        yield client


async def tokens_with(api: httpx.AsyncClient, name: str, password: str) -> int:
    """Return the status of a sign-in."""
    body = {"name": name, "password": password}
    return (await api.post("/api/v1/auth/token", json=body)).status_code


async def status(api: httpx.AsyncClient, headers: dict[str, str]) -> int:
    """Return the status of being somebody."""
    return (await api.get(ME, headers=headers)).status_code


async def test_changing_ones_own_password(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Every other session of one's own ends at once, refresh tokens too; this one and keys go on."""
    ada = await make_user(store, "ada")
    await make_user(store, "bob")
    body = {"name": "ada", "password": PASSWORD}
    elsewhere = (await api.post("/api/v1/auth/token", json=body)).json()
    there = {"Authorization": f"Bearer {elsewhere['accessToken']}"}
    here, third, bob = await sign_in(api), await sign_in(api), await sign_in(api, "bob")
    key = {"X-API-Key": await make_key(store, ada)}
    assert [await status(api, each) for each in (here, there, third, bob, key)] == [200] * 5
    answer = await api.post(OWN, json={"current": PASSWORD, "new": NEW}, headers=here)
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert answer.headers["cache-control"] == "no-store"
    found = [await status(api, each) for each in (here, there, third, bob, key)]
    assert found == [200, 401, 401, 200, 200]
    refresh = {"refreshToken": elsewhere["refreshToken"]}
    assert (await api.post("/api/v1/auth/refresh", json=refresh)).status_code == 401
    assert await tokens_with(api, "ada", PASSWORD) == 401
    assert await tokens_with(api, "ada", NEW) == 200
    assert await tokens_with(api, "bob", PASSWORD) == 200


async def test_a_wrong_current_password_counts(
    strict: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """It is a 403, takes a try of the name, and after the last one also the right one has to wait.

    So a stolen session guesses a password no faster than a stranger does. Nothing has changed.
    """
    await make_user(store, "ada")
    here = await sign_in(strict)
    wrong = {"current": "not it at all", "new": NEW}
    answers = [await strict.post(OWN, json=wrong, headers=here) for _ in range(3)]
    assert [each.status_code for each in answers] == [403] * 3
    assert "current password" in answers[0].json()["message"]
    right = await strict.post(OWN, json={"current": PASSWORD, "new": NEW}, headers=here)
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0
    assert await status(strict, here) == 200
    hashed = await store.fetchval("SELECT password_changed_at = created_at FROM users")
    assert hashed


async def test_a_right_current_password_costs_no_try(
    strict: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """More changes than there are tries, one after the other."""
    await make_user(store, "ada")
    here, current = await sign_in(strict), PASSWORD
    for number in range(5):
        new = f"{NEW} {number}"
        answer = await strict.post(OWN, json={"current": current, "new": new}, headers=here)
        assert answer.status_code == 200, answer.text
        current = new


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"new": NEW}, {"current": PASSWORD}, {"current": PASSWORD, "new": 1}),
        {"current": PASSWORD, "new": NEW, "name": "bob"},
        *({"current": "wrong", "new": "short"}, {"current": "wrong", "new": "password1234"}),
    ],
)
async def test_bodies_that_will_not_do_cost_no_try(
    strict: httpx.AsyncClient, store: asyncpg.Pool, body: dict[str, Any]
) -> None:
    """What is not the body, and a new password that is too weak, are a 400 as often as wanted."""
    await make_user(store, "ada")
    here = await sign_in(strict)
    answers = [await strict.post(OWN, json=body, headers=here) for _ in range(5)]
    assert {each.status_code for each in answers} == {400}


async def test_an_admin_gives_a_user_another_password(
    api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """The user's sessions end, nobody else's; the old password is no good, keys stay; not one's own."""
    ada, bob = await make_user(store, "ada", Role.ADMIN), await make_user(store, "bob")
    await make_user(store, "cyd")
    admin, his, hers = [await sign_in(api, name) for name in ("ada", "bob", "cyd")]
    key = {"X-API-Key": await make_key(store, bob)}
    assert await status(api, his) == 200
    answer = await api.post(f"{USERS}/{bob.id}/password", json={"password": NEW}, headers=admin)
    assert (answer.status_code, answer.json()["name"]) == (200, "bob")
    assert "password" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert [await status(api, each) for each in (his, key, hers, admin)] == [401, 200, 200, 200]
    assert await tokens_with(api, "bob", PASSWORD) == 401
    assert await tokens_with(api, "bob", NEW) == 200
    own = await api.post(f"{USERS}/{ada.id}/password", json={"password": NEW}, headers=admin)
    assert (own.status_code, "auth/password" in own.json()["message"]) == (409, True)
    weak = await api.post(f"{USERS}/{bob.id}/password", json={"password": "bob"}, headers=admin)
    assert weak.status_code == 400
    assert await tokens_with(api, "bob", NEW) == 200


async def test_an_admin_makes_admins_and_unmakes_them(
    api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """The role holds at once for the sessions that there are; not one's own; nothing but a role."""
    ada, bob = await make_user(store, "ada", Role.ADMIN), await make_user(store, "bob")
    admin, his = await sign_in(api, "ada"), await sign_in(api, "bob")
    assert (await api.get(USERS, headers=his)).status_code == 403
    answer = await api.post(f"{USERS}/{bob.id}/role", json={"role": "admin"}, headers=admin)
    assert (answer.status_code, answer.json()["role"]) == (200, "admin")
    assert (await api.get(USERS, headers=his)).status_code == 200
    # The key that he makes as an admin is worth no more than he is.
    body = {"name": "mine", "scopes": ["admin"]}
    key = (await api.post("/api/v1/auth/keys", json=body, headers=his)).json()["key"]
    assert (await api.get(USERS, headers={"X-API-Key": key})).status_code == 200
    again = await api.post(f"{USERS}/{bob.id}/role", json={"role": "user"}, headers=admin)
    assert again.json()["role"] == "user"
    for headers in (his, {"X-API-Key": key}):
        assert (await api.get(USERS, headers=headers)).status_code == 403
        assert await status(api, headers) == 200
    own = await api.post(f"{USERS}/{ada.id}/role", json={"role": "user"}, headers=admin)
    assert own.status_code == 409
    assert (await api.get(USERS, headers=admin)).status_code == 200
    for wrong in ({"role": "king"}, {}, {"role": "user", "name": "eve"}):
        refused = await api.post(f"{USERS}/{bob.id}/role", json=wrong, headers=admin)
        assert refused.status_code == 400


async def test_who_may_change_passwords_and_roles(
    api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """Of others an admin's session, and no key; a user is told the same whoever exists."""
    ada, bob = await make_user(store, "ada", Role.ADMIN), await make_user(store, "bob")
    bodies = {"password": {"password": NEW}, "role": {"role": "admin"}}
    found: dict[str, list[int]] = {}
    for who, headers in {
        "nobody": {},
        "user": await sign_in(api, "bob"),
        "user's key": {"X-API-Key": await make_key(store, bob, Scope.TRADE)},
        "admin's key": {"X-API-Key": await make_key(store, ada, *Scope)},
    }.items():
        found[who] = [
            (await api.post(f"{USERS}/{user}/{what}", json=body, headers=headers)).status_code
            for what, body in bodies.items()
            for user in (bob.id, ada.id, 999)
        ]
    assert found == {
        "nobody": [401] * 6,
        "user": [403] * 6,
        "user's key": [403] * 6,
        "admin's key": [403] * 6,
    }
    key = {"X-API-Key": await make_key(store, bob, Scope.TRADE)}
    own = await api.post(OWN, json={"current": PASSWORD, "new": NEW}, headers=key)
    assert own.status_code == 403
    admin = await sign_in(api, "ada")
    for unknown in ("999", "x", "-1", "99999999999999999999"):
        for what, body in bodies.items():
            answer = await api.post(f"{USERS}/{unknown}/{what}", json=body, headers=admin)
            assert answer.status_code == 404, unknown
    roles = await store.fetch("SELECT role FROM users ORDER BY id")
    assert [row["role"] for row in roles] == ["admin", "user"]
