"""Accounts over HTTP: shapes, refusals, isolation between users, and no secret in any log."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar, get, post
from redis.asyncio import Redis

from accounts import PASSWORD, make_accounts, make_key, make_user, sign_in
from fixtures_api import client_of
from openoutcry.config import Settings
from openoutcry.model import Role, Scope, User
from openoutcry.web.api.access import (
    AsUser,
    SignedIn,
    access_dependencies,
    identifier,
    say_who_may,
)
from openoutcry.web.api.app import create_app
from openoutcry.web.api.errors import HANDLERS

TOKEN = "/api/v1/auth/token"  # noqa: S105 - a path
PROTECTED = [
    *(("GET", "/api/v1/auth/me"), ("GET", "/api/v1/auth/keys"), ("POST", "/api/v1/auth/keys")),
    *(("DELETE", "/api/v1/auth/keys/x"), ("GET", "/api/v1/auth/sessions")),
    *(("DELETE", "/api/v1/auth/sessions/x"), ("POST", "/api/v1/auth/sign-out")),
    ("POST", "/api/v1/auth/sign-out-everywhere"),
]


@get("/as-user")
async def as_user(user: AsUser) -> User:
    return user


@post("/as-user")
async def change_as_user(user: AsUser) -> User:
    return user


@get("/as-plain-user")
async def as_plain_user(user: User) -> User:
    return user


@get("/as-admin")
async def as_admin(admin: AsUser) -> User:
    return admin


@post("/as-admin")
async def change_as_admin(admin: AsUser) -> User:
    return admin


@get("/signed-in")
async def as_signed_in(signed_in: SignedIn) -> str:
    return signed_in.session


@pytest.fixture
async def protected(store: asyncpg.Pool, valkey: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """Routes of each kind of protection, with the real dependencies."""
    _, identities = make_accounts(store, valkey)
    app = Litestar(
        [as_user, change_as_user, as_plain_user, as_admin, change_as_admin, as_signed_in],
        dependencies=access_dependencies(identifier(identities)),
        exception_handlers=HANDLERS,
        on_app_init=[say_who_may],
    )
    async with client_of(app) as client:
        yield client


async def granted(api: httpx.AsyncClient, name: str = "ada") -> dict[str, Any]:
    answer = await api.post(TOKEN, json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def bearer(body: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {body['accessToken']}"}


async def test_sign_in_and_refresh(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """The agreed shapes, which nothing may cache."""
    ada = await make_user(store, "Ada", Role.ADMIN)
    answer = await api.post(TOKEN, json={"name": "ada", "password": PASSWORD})
    body = answer.json()
    assert set(body) == {"accessToken", "tokenType", "expiresIn", "refreshToken"}
    assert (body["tokenType"], body["expiresIn"]) == ("Bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    again = await api.post("/api/v1/auth/refresh", json={"refreshToken": body["refreshToken"]})
    assert (again.status_code, set(again.json())) == (200, set(body))
    me = await api.get("/api/v1/auth/me", headers=bearer(again.json()))
    assert me.json() == {"id": ada.id, "name": "Ada", "role": "admin"}
    assert me.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff",
            b"{}",
            b'{"name":"ada"}',
            b'{"name":"ada","password":1}',
        ),
        b'{"name":"ada","password":"x","remember":true}',
        b'{"name":"ada","password":""}',
        b'{"name":"ada","password":"\\ud800"}',
        b'{"name":"ada","password":"' + b"x" * 2000 + b'"}',
        b'{"name":"ada","password":"\xff"}',
        b"[" * 100_000,
        b"name=ada&password=x",
    ],
)
async def test_bodies_are_strict(api: httpx.AsyncClient, content: bytes) -> None:
    """Whatever is not exactly the body that is asked for is a 400 that says what is."""
    answer = await api.post(TOKEN, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "JSON object of name, password" in answer.json()["message"]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_without_credentials(api: httpx.AsyncClient, method: str, path: str) -> None:
    """A 401 in our shape that says how to sign in, whatever the body; RFC 6750's challenge."""
    answer = await api.request(method, path, content=b"{broken")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.json()["success"], "Bearer" in answer.json()["message"]) == (False, True)
    wrong = await api.request(method, path, headers={"Authorization": "Bearer x.y.z"})
    assert wrong.status_code == 401
    assert wrong.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_wrong_password(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """One answer for whatever was wrong."""
    await make_user(store)
    said = [
        await api.post(TOKEN, json={"name": name, "password": password})
        for name, password in (("ada", "wrong"), ("bob", PASSWORD), ("not a name", PASSWORD))
    ]
    assert {(each.status_code, each.text) for each in said} == {
        (401, '{"success":false,"message":"Name or password is wrong."}')
    }


async def test_too_many_wrong_passwords(store: asyncpg.Pool, valkey: Redis) -> None:
    """A 429 with Retry-After, counted by the client's own address behind a trusted proxy."""
    await make_user(store)
    settings = Settings(
        sign_in_tries=99,
        sign_in_tries_address=2,
        trusted_proxies=["127.0.0.0/8"],
        secret_key="k" * 32,
    )
    app = create_app(store, valkey, settings, version="1")

    async def wrong(client: httpx.AsyncClient, address: str) -> httpx.Response:
        body = {"name": "ada", "password": "wrong"}
        return await client.post(TOKEN, json=body, headers={"X-Forwarded-For": address})

    async with client_of(app) as client:
        found = [await wrong(client, "6.6.6.6, 198.51.100.1") for _ in range(3)]
        assert [each.status_code for each in found] == [401, 401, 429]
        assert 0 < int(found[-1].headers["retry-after"]) <= 450
        assert "try again in" in found[-1].json()["message"]
        assert (await wrong(client, "198.51.100.2")).status_code == 401
        session = (await granted(client))["accessToken"]
        assert session


async def test_an_untrusted_header_is_ignored(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Who writes X-Forwarded-For without being a trusted proxy stays who they are."""
    await make_user(store)
    body = {"name": "ada", "password": PASSWORD}
    answer = await api.post(TOKEN, json=body, headers={"X-Forwarded-For": "6.6.6.6"})
    found = await api.get("/api/v1/auth/sessions", headers=bearer(answer.json()))
    assert found.json()["sessions"][0]["address"] == "127.0.0.1"


async def test_a_second_use_of_a_refresh_token(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """It ends the session: neither pair is good afterwards."""
    await make_user(store)
    first = await granted(api)

    async def refresh(body: dict[str, Any]) -> httpx.Response:
        return await api.post("/api/v1/auth/refresh", json={"refreshToken": body["refreshToken"]})

    second = await refresh(first)
    assert (await refresh(first)).status_code == 401
    assert (await refresh(second.json())).status_code == 401
    assert (await api.get("/api/v1/auth/me", headers=bearer(second.json()))).status_code == 401


async def test_signing_out(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Of this session only; then everywhere. The keys stay."""
    ada = await make_user(store)
    key = {"X-API-Key": await make_key(store, ada)}
    one, two, three = [bearer(await granted(api)) for _ in range(3)]
    assert (await api.post("/api/v1/auth/sign-out", headers=one)).json() == {"ended": 1}
    assert (await api.get("/api/v1/auth/me", headers=one)).status_code == 401
    assert (await api.get("/api/v1/auth/me", headers=two)).status_code == 200
    answer = await api.post("/api/v1/auth/sign-out-everywhere", headers=two)
    assert answer.json() == {"ended": 2}
    for headers in (two, three):
        assert (await api.get("/api/v1/auth/me", headers=headers)).status_code == 401
    assert (await api.get("/api/v1/auth/me", headers=key)).status_code == 200


async def test_sessions_list(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Where one is signed in, which of them asks, and ending one of them."""
    await make_user(store)
    other, mine = await granted(api), await granted(api)
    answer = await api.get("/api/v1/auth/sessions", headers=bearer(mine))
    listed = answer.json()["sessions"]
    assert [each["current"] for each in listed] == [True, False]
    assert set(listed[0]) == {
        *("id", "current", "userAgent", "address", "createdAt", "lastUsedAt", "expiresAt"),
    }
    assert listed[0]["userAgent"].startswith("python-httpx/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", listed[0]["expiresAt"])
    ended = await api.delete(f"/api/v1/auth/sessions/{listed[1]['id']}", headers=bearer(mine))
    assert ended.json() == {"ended": 1}
    assert (await api.get("/api/v1/auth/me", headers=bearer(other))).status_code == 401
    for gone in (listed[1]["id"], "x", "1%20OR%201"):
        answer = await api.delete(f"/api/v1/auth/sessions/{gone}", headers=bearer(mine))
        assert answer.status_code == 404


async def test_keys(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A key is shown once, does what its scopes say, and stops when it is revoked."""
    await make_user(store)
    mine = bearer(await granted(api))
    body = {"name": " bot ", "scopes": ["trade"], "expiresInDays": 30}
    made = await api.post("/api/v1/auth/keys", json=body, headers=mine)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    key, info = made.json()["key"], made.json()["info"]
    assert re.fullmatch(r"ok_\w{13}_\w{43}", key)
    assert (info["name"], info["scopes"]) == ("bot", ["read", "trade"])
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        assert (await api.get("/api/v1/auth/me", headers=headers)).json()["name"] == "ada"
    listed = await api.get("/api/v1/auth/keys", headers=mine)
    assert [each["prefix"] for each in listed.json()["keys"]] == [key.split("_")[1]]
    assert key.split("_")[2] not in listed.text
    path = f"/api/v1/auth/keys/{info['prefix']}"
    assert (await api.delete(path, headers=mine)).json() == {"revoked": info["prefix"]}
    assert (await api.get("/api/v1/auth/me", headers={"X-API-Key": key})).status_code == 401
    assert (await api.delete(path, headers=mine)).status_code == 404
    again = await api.get("/api/v1/auth/keys", headers=mine)
    assert again.json()["keys"][0]["revokedAt"]


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"name": ""}, {"name": " "}, {"name": "a\nb"}, {"name": "x" * 61}),
        *({"name": "a", "scopes": ["fly"]}, {"name": "a", "scopes": ["admin"]}),
        *({"name": "a", "expiresInDays": 0}, {"name": "a", "expiresInDays": 1.5}),
        *({"name": "a", "expiresInDays": 3651}, {"name": "a", "secret": "mine"}),
    ],
)
async def test_keys_that_are_not_made(
    api: httpx.AsyncClient, store: asyncpg.Pool, body: dict[str, Any]
) -> None:
    """Wrong fields, and the scope of an admin for who is none: a 400, and no key."""
    await make_user(store)
    answer = await api.post("/api/v1/auth/keys", json=body, headers=await sign_in(api))
    assert answer.status_code == 400
    assert await store.fetchval("SELECT count(*) FROM api_keys") == 0


async def test_a_key_cannot_make_keys(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Whoever steals a key cannot make another, nor end sessions, whatever its scopes."""
    key = await make_key(store, await make_user(store, role=Role.ADMIN), *Scope)
    for method, path in PROTECTED[1:]:
        answer = await api.request(method, path, headers={"X-API-Key": key})
        assert (answer.status_code, answer.json()["success"]) == (403, False)
        assert "sign in with name and password" in answer.json()["message"]


async def test_users_do_not_see_each_other(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Not even an admin sees, ends or revokes what is another user's through these routes."""
    for name, role in (("ada", Role.USER), ("bob", Role.USER), ("eve", Role.ADMIN)):
        await make_user(store, name, role)
    hers = bearer(await granted(api, "ada"))
    made = await api.post("/api/v1/auth/keys", json={"name": "hers"}, headers=hers)
    prefix = made.json()["info"]["prefix"]
    sessions = (await api.get("/api/v1/auth/sessions", headers=hers)).json()["sessions"]
    for name in ("bob", "eve"):
        theirs = bearer(await granted(api, name))
        assert (await api.get("/api/v1/auth/keys", headers=theirs)).json() == {"keys": []}
        listed = (await api.get("/api/v1/auth/sessions", headers=theirs)).json()["sessions"]
        assert not {each["id"] for each in listed} & {each["id"] for each in sessions}
        for path in (f"keys/{prefix}", f"sessions/{sessions[0]['id']}"):
            answer = await api.delete(f"/api/v1/auth/{path}", headers=theirs)
            unknown = await api.delete(f"/api/v1/auth/{path[:-1]}0", headers=theirs)
            assert (answer.status_code, answer.text) == (404, unknown.text)
        await api.post("/api/v1/auth/sign-out-everywhere", headers=theirs)
    assert (await api.get("/api/v1/auth/me", headers=hers)).status_code == 200
    key = {"X-API-Key": made.json()["key"]}
    assert (await api.get("/api/v1/auth/me", headers=key)).json()["name"] == "ada"


async def test_who_may_what(
    protected: httpx.AsyncClient, api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """Roles and scopes on each kind of route; a key of a user never gets an admin's rights."""
    ada, bob = await make_user(store, "ada", Role.ADMIN), await make_user(store, "bob")
    who = {
        "nobody": {},
        "admin": await sign_in(api, "ada"),
        "user": await sign_in(api, "bob"),
        "admin's read key": {"X-API-Key": await make_key(store, ada)},
        "admin's trade key": {"X-API-Key": await make_key(store, ada, Scope.TRADE)},
        "admin's admin key": {"X-API-Key": await make_key(store, ada, Scope.ADMIN)},
        "user's read key": {"Authorization": f"Bearer {await make_key(store, bob)}"},
        "user's trade key": {"Authorization": f"bearer {await make_key(store, bob, Scope.TRADE)}"},
    }
    routes = [
        *(("GET", "/as-user"), ("GET", "/as-plain-user"), ("POST", "/as-user")),
        *(("GET", "/as-admin"), ("POST", "/as-admin"), ("GET", "/signed-in")),
    ]
    found = {}
    for name, headers in who.items():
        answers = [await protected.request(*route, headers=headers) for route in routes]
        found[name] = [each.status_code for each in answers]
    assert found == {
        "nobody": [401, 401, 401, 401, 401, 401],
        "admin": [200, 200, 201, 200, 201, 200],
        "user": [200, 200, 201, 403, 403, 200],
        "admin's read key": [200, 200, 403, 403, 403, 403],
        "admin's trade key": [200, 200, 201, 403, 403, 403],
        "admin's admin key": [200, 200, 403, 200, 201, 403],
        "user's read key": [200, 200, 403, 403, 403, 403],
        "user's trade key": [200, 200, 201, 403, 403, 403],
    }


async def test_odd_credentials(protected: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Another scheme, an empty token, two credentials at once: refused, and said why."""
    key = await make_key(store, await make_user(store))
    for headers, status in (
        ({"Authorization": "Basic YWRhOmFkYQ=="}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": key}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "ok_" + "x" * 5000}, 401),
        ({"X-API-Key": "\u00e9"}, 401),
        ({"X-API-Key": key, "Authorization": f"Bearer {key}"}, 401),
        ({"Cookie": f"token={key}"}, 401),
    ):
        sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        answer = await protected.get("/as-user", headers=sent)
        assert answer.status_code == status, headers
    assert (await protected.get(f"/as-user?api_key={key}")).status_code == 401


async def test_options_tell_every_method(api: httpx.AsyncClient) -> None:
    """Also where several handlers share a path."""
    for path, methods in (
        ("/api/v1/auth/keys", "GET, OPTIONS, POST"),
        ("/api/v1/auth/keys/abc", "DELETE, OPTIONS"),
    ):
        assert (await api.options(path)).headers["allow"] == methods
        assert (await api.put(path)).status_code == 405


async def test_document_says_who_may(api: httpx.AsyncClient, protected: httpx.AsyncClient) -> None:
    """OpenAPI has both schemes, and names them on the routes that need them, and only there."""
    document = (await api.get("/schema")).json()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["apiKey"]["name"]) == ("bearer", "X-API-Key")
    paths = document["paths"]
    assert paths["/api/v1/auth/me"]["get"]["security"] == [{"bearer": []}, {"apiKey": []}]
    assert paths["/api/v1/auth/keys"]["post"]["security"] == [{"bearer": []}]
    assert {"400", "401", "403"} <= set(paths["/api/v1/auth/keys"]["post"]["responses"])
    assert "security" not in paths["/candles"]["get"]
    assert "security" not in paths[TOKEN]["post"]
    body = paths[TOKEN]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert (body["required"], schema["additionalProperties"]) == (True, False)
    assert schema["required"] == ["name", "password"]
    theirs = (await protected.get("/schema/openapi.json")).json()["paths"]
    assert theirs["/as-plain-user"]["get"]["security"] == [{"bearer": []}, {"apiKey": []}]


async def test_two_processes(store: asyncpg.Pool, valkey: Redis) -> None:
    """What one API process grants, another honours: the secret is the installation's."""
    await make_user(store)
    one, other = (create_app(store, valkey, Settings(), version="1") for _ in range(2))
    async with client_of(one) as first, client_of(other) as second:
        headers, again = await asyncio.gather(sign_in(first), sign_in(second))
        assert (await second.get("/api/v1/auth/me", headers=headers)).status_code == 200
        assert (await first.get("/api/v1/auth/me", headers=again)).status_code == 200


SCRIPT = """
import asyncio, sys
sys.path.insert(0, sys.argv[3])
import structlog
from openoutcry import logs
logs.configure("debug", sys.argv[4])
structlog.get_logger().debug("debug lines are shown")
import httpx
from accounts import PASSWORD, make_user
from fixtures_api import client_of
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.valkey.client import connect
from openoutcry.config import Settings
from openoutcry.core.credentials import parse
from openoutcry.model import Role
from openoutcry.services import accounts as module
from openoutcry.web.api.app import create_app

WRONG, CONFIGURED = "wrong zebra password", "configured-secret-" * 3

async def main():
    pool = await open_pool(sys.argv[1], application_name="test")
    valkey = connect(sys.argv[2])
    await make_user(pool, "ada", Role.ADMIN)
    app = create_app(pool, valkey, Settings(secret_key=CONFIGURED), version="1")
    secrets = [PASSWORD, WRONG, CONFIGURED]
    async with client_of(app) as api:
        async def sign_in(password):
            return await api.post("/api/v1/auth/token", json={"name": "ada", "password": password})
        await sign_in(WRONG)
        await api.post("/api/v1/auth/token", content=b'{"name": "ada", "password": "' + WRONG.encode())
        first = (await sign_in(PASSWORD)).json()
        token = {"Authorization": "Bearer " + first["accessToken"]}
        key = (await api.post("/api/v1/auth/keys", json={"name": "k"}, headers=token)).json()["key"]
        refresh = {"refreshToken": first["refreshToken"]}
        second = (await api.post("/api/v1/auth/refresh", json=refresh)).json()
        await api.get("/api/v1/auth/me", headers={"X-API-Key": key})
        await api.get("/api/v1/auth/me", headers={"X-API-Key": key + "x"})
        await api.post("/api/v1/auth/refresh", json=refresh)
        await api.get("/api/v1/auth/me", headers={**token, "X-API-Key": key})

        async def broken(*_):
            raise RuntimeError("a bug, with secrets on the stack")

        module.users.find_user = module.sessions.rotate = broken
        assert (await sign_in(PASSWORD)).status_code == 500
        again = {"refreshToken": second["refreshToken"]}
        assert (await api.post("/api/v1/auth/refresh", json=again)).status_code == 500
    for body in (first, second):
        secrets += [body["accessToken"].split(".")[2], body["refreshToken"].split("_")[2]]
    secrets.append(key.split("_")[2])
    print("\\n".join(secrets))

asyncio.run(main())
"""


@pytest.mark.parametrize("style", ["json", "console"])
async def test_no_secret_in_any_log(database_url: str, valkey_url: str, style: str) -> None:
    """At debug level, through success, refusal and a bug: no password, token or key is logged."""
    found = await asyncio.to_thread(
        subprocess.run,
        [
            sys.executable,
            "-c",
            SCRIPT,
            database_url,
            valkey_url,
            str(Path(__file__).parents[2]),
            style,
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    secrets = found.stdout.splitlines()
    assert len(secrets) == 8
    for said in ("debug lines are shown", "signed in", "sign-in refused", "used twice", "a bug"):
        assert said in found.stderr
    assert [secret for secret in secrets if secret in found.stderr] == []
