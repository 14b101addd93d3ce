"""Sign-up, an admin's users, wrong API keys, and what the metrics tell of accounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from accounts import PASSWORD, make_key, make_user, sign_in
from fixtures_api import client_of
from openoutcry.config import Settings
from openoutcry.model import Role, Scope
from openoutcry.web.api.app import create_app

SIGN_UP, USERS = "/api/v1/auth/sign-up", "/api/v1/users"


@pytest.fixture
async def strict(store: asyncpg.Pool, valkey: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """An application that is open for sign-up and loses its patience early."""
    settings = Settings(sign_up="open", sign_in_tries_address=2, wrong_key_tries=3)
    async with client_of(create_app(store, valkey, settings, version="1")) as client:
        yield client


async def test_sign_up_is_off_unless_it_is_on(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """By default a stranger is told to ask an admin, and no user is made."""
    answer = await api.post(SIGN_UP, json={"name": "eve", "password": PASSWORD})
    assert (answer.status_code, answer.json()["success"]) == (403, False)
    assert "admin" in answer.json()["message"]
    assert await store.fetchval("SELECT count(*) FROM users") == 0


async def test_sign_up(strict: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A plain user is made and signed in; a name that is taken, in any case, is a 409."""
    answer = await strict.post(SIGN_UP, json={"name": "Eve", "password": PASSWORD})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    headers = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
    me = (await strict.get("/api/v1/auth/me", headers=headers)).json()
    assert (me["name"], me["role"]) == ("Eve", "user")
    assert await sign_in(strict, "eve")
    again = await strict.post(SIGN_UP, json={"name": "eVE", "password": PASSWORD})
    assert (again.status_code, "already" in again.json()["message"]) == (409, True)
    assert await store.fetchval("SELECT count(*) FROM users") == 1


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"name": "eve"}, {"name": "not a name", "password": PASSWORD}),
        {"name": "eve", "password": "short"},
        {"name": "eve", "password": PASSWORD, "role": "admin"},
    ],
)
async def test_wrong_sign_ups_cost_no_try(
    strict: httpx.AsyncClient, store: asyncpg.Pool, body: dict[str, str]
) -> None:
    """A name or password that will not do, or a role of one's own choice: a 400, as often as wanted."""
    answers = [await strict.post(SIGN_UP, json=body) for _ in range(4)]
    assert {each.status_code for each in answers} == {400}
    assert await store.fetchval("SELECT count(*) FROM users") == 0


async def test_sign_ups_are_limited(strict: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """From one address only so many accounts come, also if they all come at once."""
    bodies = [{"name": f"eve{n}", "password": PASSWORD} for n in range(5)]
    answers = await asyncio.gather(*(strict.post(SIGN_UP, json=body) for body in bodies))
    assert sorted(each.status_code for each in answers) == [201, 201, 429, 429, 429]
    refused = next(each for each in answers if each.status_code == 429)
    assert int(refused.headers["retry-after"]) > 0
    assert await store.fetchval("SELECT count(*) FROM users") == 2


async def test_an_admin_adds_and_lists_users(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Page after page, oldest first; no hash is in any answer."""
    await make_user(store, "ada", Role.ADMIN)
    headers = await sign_in(api)
    for name in ("bob", "cyd"):
        body = {"name": name, "password": PASSWORD}
        added = await api.post(USERS, json=body, headers=headers)
        assert (added.status_code, added.json()["role"]) == (201, "user")
    first = (await api.get(f"{USERS}?limit=2", headers=headers)).json()
    assert [each["name"] for each in first["users"]] == ["ada", "bob"]
    assert set(first["users"][0]) == {"id", "name", "role", "disabled", "createdAt"}
    rest = (await api.get(f"{USERS}?limit=2&after={first['next']}", headers=headers)).json()
    assert ([each["name"] for each in rest["users"]], rest["next"]) == (["cyd"], None)
    assert (
        await api.post(USERS, json={"name": "BOB", "password": PASSWORD}, headers=headers)
    ).status_code == 409
    assert await sign_in(api, "bob")


async def test_an_admin_shuts_out_and_lets_in(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Sessions end at once in this process; the key works again afterwards; not oneself."""
    ada, bob = await make_user(store, "ada", Role.ADMIN), await make_user(store, "bob")
    admin, his = await sign_in(api, "ada"), await sign_in(api, "bob")
    key = {"X-API-Key": await make_key(store, bob)}
    assert (await api.get("/api/v1/auth/me", headers=his)).status_code == 200
    answer = await api.post(f"{USERS}/{bob.id}/disable", headers=admin)
    assert (answer.status_code, answer.json()["disabled"]) == (200, True)
    for headers in (his, key):
        assert (await api.get("/api/v1/auth/me", headers=headers)).status_code == 401
    assert (await api.post(f"{USERS}/{bob.id}/enable", headers=admin)).json()["disabled"] is False
    assert (await api.get("/api/v1/auth/me", headers=key)).status_code == 200
    assert (await api.post(f"{USERS}/{ada.id}/disable", headers=admin)).status_code == 409
    for unknown in ("999", "x", "-1", "99999999999999999999"):
        for what in ("enable", "disable"):
            answer = await api.post(f"{USERS}/{unknown}/{what}", headers=admin)
            assert answer.status_code == 404, unknown


async def test_who_may_manage_users(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """An admin; by key only the list. A plain user nothing of it."""
    ada, bob = await make_user(store, "ada", Role.ADMIN), await make_user(store, "bob")
    routes = [("GET", USERS), ("POST", USERS)]
    routes += [("POST", f"{USERS}/{bob.id}/{what}") for what in ("enable", "disable")]
    found: dict[str, list[int]] = {}
    for who, headers in {
        "nobody": {},
        "user": await sign_in(api, "bob"),
        "admin's key": {"X-API-Key": await make_key(store, ada, *Scope)},
        "admin": await sign_in(api, "ada"),
    }.items():
        body = {"name": f"x{len(found)}", "password": PASSWORD}
        found[who] = [
            (await api.request(*route, headers=headers, json=body)).status_code for route in routes
        ]
    assert found == {
        "nobody": [401] * 4,
        "user": [403] * 4,
        "admin's key": [200, 403, 403, 403],
        "admin": [200, 201, 200, 200],
    }


async def test_wrong_keys_are_limited(strict: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """After so many wrong keys their address is refused; a key that was right there goes on."""
    right = {"X-API-Key": await make_key(store, await make_user(store))}
    assert (await strict.get("/api/v1/auth/me", headers=right)).status_code == 200
    wrong = [{"X-API-Key": f"ok_nobody_{n}"} for n in range(6)]
    answers = [await strict.get("/api/v1/auth/me", headers=each) for each in wrong]
    assert [each.status_code for each in answers] == [401, 401, 401, 401, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "API keys" in answers[-1].json()["message"]
    assert (await strict.get("/api/v1/auth/me", headers=right)).status_code == 200


async def test_metrics_of_accounts(strict: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Prometheus sees sign-ins, right and wrong, and wrong keys; all counters begin with 0."""
    await make_user(store)

    async def counted(event: str) -> float:
        text = (await strict.get("/metrics")).text
        line = f'outcry_account_events_total{{event="{event}"}} '
        return float(next(each for each in text.splitlines() if each.startswith(line)).split()[1])

    assert [await counted(each) for each in ("signed_in", "wrong_key", "signed_up")] == [0, 0, 0]
    await sign_in(strict)
    for _ in range(3):
        body = {"name": "ada", "password": "wrong"}
        await strict.post("/api/v1/auth/token", json=body)
    await strict.get("/api/v1/auth/me", headers={"X-API-Key": "ok_nobody_x"})
    assert await counted("signed_in") == 1
    assert await counted("wrong_password") == 2
    assert await counted("too_many_tries") == 1
    assert await counted("wrong_key") == 1
