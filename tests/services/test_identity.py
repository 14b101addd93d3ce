"""Who shows a credential: what is believed, what is remembered, and for how long."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from accounts import PASSWORD, make_accounts, make_identities, make_key, make_user
from openoutcry.adapters.postgres import users
from openoutcry.adapters.postgres.api_keys import find_key
from openoutcry.errors import StoreUnavailableError, UnauthorizedError
from openoutcry.model import Role, Scope, User
from openoutcry.services import identity as module
from openoutcry.services.accounts import secret_of
from openoutcry.services.identity import Identities
from openoutcry.services.tokens import AccessTokens

SESSION = "0b8f4f2e-4a0e-4f6b-9d6e-0f6f0c1c2d3e"
ADA = User(1, "ada", Role.ADMIN)


async def fixed() -> bytes:
    return b"s" * 32


async def refused(identities: Identities, credential: str) -> bool:
    try:
        await identities.of(credential)
    except UnauthorizedError:
        return True
    return False


def altered(token: str, part: int, **changes: Any) -> str:
    """Return a token with some claims or headers changed and the signature left as it was."""
    parts = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    raw = json.dumps(body | changes).encode()
    parts[part] = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return ".".join(parts)


async def test_what_a_token_says() -> None:
    """Session and user are in it, and it ends in fifteen minutes."""
    tokens = AccessTokens(fixed, now=lambda: 1000.5)
    text = await tokens.sign(ADA, SESSION)
    found = await tokens.read(text)
    assert (found.user_id, found.session, found.expires) == (1, SESSION, 1900)
    claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
    assert (claims["sid"], claims["role"], claims["sub"]) == (SESSION, "admin", "1")


async def test_tokens_expire() -> None:
    """At its end a token is refused, and the refusal says what to do."""
    clock = [1000.0]
    tokens = AccessTokens(fixed, now=lambda: clock[0])
    text = await tokens.sign(ADA, SESSION)
    clock[0] = 1899.9
    await tokens.read(text)
    clock[0] = 1900.0
    with pytest.raises(UnauthorizedError, match="expired; refresh"):
        await tokens.read(text)


async def test_forged_tokens() -> None:
    """Another secret, another algorithm, none at all, changed claims: nothing of it is believed."""
    tokens = AccessTokens(fixed)
    good = await tokens.sign(ADA, SESSION)

    async def other() -> bytes:
        return b"t" * 32

    head, body, signature = good.split(".")
    none = altered(good, 0, alg="none").split(".")
    forged = [
        await AccessTokens(other).sign(ADA, SESSION),
        altered(good, 1, sub="2"),
        altered(good, 1, exp=2**40),
        altered(good, 0, alg="HS512"),
        altered(good, 0, crit=["exp"]),
        ".".join(none),
        ".".join([*none[:2], ""]),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{good}.x",
        f"{good}.x.y",
        good + " " * 2000,
    ]
    for text in forged:
        with pytest.raises(UnauthorizedError):
            await tokens.read(text)
    await tokens.read(good)


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_anything_else_is_refused(text: str) -> None:
    """Whatever is sent as a token, the answer is that it is not valid, never a failure."""

    async def read() -> None:
        with pytest.raises(UnauthorizedError):
            await AccessTokens(fixed).read(text)

    asyncio.run(read())


async def test_foreign_claims_are_refused() -> None:
    """A token signed with our secret by something else, or without what we need, is none of ours."""
    from joserfc import jwt

    tokens = AccessTokens(fixed)
    key = await tokens._loaded()
    good = {"iss": "openoutcry", "sub": "1", "sid": SESSION, "exp": time.time() + 99}
    await tokens.read(jwt.encode({"alg": "HS256"}, good, key))
    for change in (
        *({"iss": "other"}, {"sub": "x"}, {"sub": None}, {"sid": "1 OR 1=1"}, {"sid": 7}),
        *({"exp": "soon"}, {"exp": None}),
    ):
        with pytest.raises(UnauthorizedError):
            await tokens.read(jwt.encode({"alg": "HS256"}, {**good, **change}, key))


async def test_one_secret_for_all_processes(store: asyncpg.Pool) -> None:
    """Processes that start at the same moment sign with the same secret; a configured one wins."""
    found = await asyncio.gather(*(secret_of(store, "") for _ in range(8)))
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert await store.fetchval("SELECT count(*) FROM installation") == 1
    assert await secret_of(store, "x" * 40) == b"x" * 40


async def test_sessions_and_keys(store: asyncpg.Pool, valkey: Redis) -> None:
    """A session may do everything its user may, a key what its scopes say."""
    ada = await make_user(store, role=Role.ADMIN)
    accounts, identities = make_accounts(store, valkey)
    grant = await accounts.sign_in("ada", PASSWORD, "", "")
    session = await identities.of(grant.access_token)
    assert (session.user, session.session, session.scopes) == (ada, grant.session, frozenset(Scope))
    key = await make_key(store, ada, Scope.TRADE)
    found = await identities.of(key)
    assert (found.user, found.session, found.key) == (ada, "", key.split("_")[1])
    assert found.scopes == {Scope.READ, Scope.TRADE}


async def test_keys_that_are_not_good(store: asyncpg.Pool) -> None:
    """Another secret, another prefix, expired, revoked, of a disabled user: all are refused."""
    ada = await make_user(store)
    _, identities = make_identities(store, ttl=0)
    key, other = await make_key(store, ada), await make_key(store, ada)
    assert not await refused(identities, key)
    ok, prefix, secret = key.split("_")
    for text in (
        *("ok_", key[:-1], key + "0", f"{ok}_{prefix}_{other.split('_')[2]}"),
        *(f"{ok}_{'0' * 13}_{secret}", secret, f"or_{prefix}_{secret}"),
    ):
        assert await refused(identities, text), text
    for change, back in (
        ("expires_at = now()", "expires_at = NULL"),
        ("revoked_at = now()", "revoked_at = NULL"),
    ):
        await store.execute(f"UPDATE api_keys SET {change} WHERE prefix = $1", prefix)
        assert await refused(identities, key)
        await store.execute(f"UPDATE api_keys SET {back} WHERE prefix = $1", prefix)
        assert not await refused(identities, key)
    await users.set_disabled(store, "ada", disabled=True)
    assert await refused(identities, key)
    await users.set_disabled(store, "ada", disabled=False)
    assert not await refused(identities, key)


async def test_out_within_seconds_elsewhere(store: asyncpg.Pool, valkey: Redis) -> None:
    """What one process ends, it refuses at once, and another within the time it remembers."""
    ada = await make_user(store)
    accounts, here = make_accounts(store, valkey)
    there = make_identities(store, ttl=1.5)[1]
    grant = await accounts.sign_in("ada", PASSWORD, "", "")
    key, text = await accounts.add_key(ada, "mine")
    began = time.monotonic()
    for credential in (grant.access_token, text):
        await here.of(credential)
        await there.of(credential)
    assert await accounts.end_session(ada, grant.session)
    assert await accounts.revoke_key(ada, key.prefix)
    assert await refused(here, grant.access_token)
    assert await refused(here, text)
    await asyncio.sleep(max(0.0, began + 2.5 - time.monotonic()))
    assert await refused(there, grant.access_token)
    assert await refused(there, text)


async def test_reuse_ends_access_here_at_once(store: asyncpg.Pool, valkey: Redis) -> None:
    """When a refresh token is used twice, the access tokens of its session stop as well."""
    await make_user(store)
    accounts, identities = make_accounts(store, valkey)
    first = await accounts.sign_in("ada", PASSWORD, "", "")
    second = await accounts.refresh(first.refresh_token)
    await identities.of(second.access_token)
    with pytest.raises(UnauthorizedError):
        await accounts.refresh(first.refresh_token)
    assert await refused(identities, first.access_token)
    assert await refused(identities, second.access_token)


async def test_remembered_no_longer_than_it_is_good(store: asyncpg.Pool) -> None:
    """A token that expires while it is remembered is refused in that moment."""
    clock = [time.time()]
    tokens = AccessTokens(fixed, now=lambda: clock[0])
    identities = Identities(store, tokens, ttl=3600, now=lambda: clock[0])
    ada = await make_user(store)
    session = await store.fetchval(
        "INSERT INTO sessions (user_id, family_hash, refresh_hash, expires_at)"
        " VALUES ($1, $2, $2, now() + interval '1 day') RETURNING id",
        ada.id,
        bytes(32),
    )
    text = await tokens.sign(ada, str(session))
    await identities.of(text)
    clock[0] += 901
    with pytest.raises(UnauthorizedError, match="expired"):
        await identities.of(text)


async def test_who_come_together_share_a_look_up(
    store: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred requests by one key ask the store once, and one that gives up harms no other."""
    key = await make_key(store, await make_user(store))
    _, identities = make_identities(store)
    asked: list[str] = []

    async def counted(pool: asyncpg.Pool, prefix: str) -> Any:
        asked.append(prefix)
        await asyncio.sleep(0.1)
        return await find_key(pool, prefix)

    monkeypatch.setattr(module, "find_key", counted)
    tasks = [asyncio.create_task(identities.of(key)) for _ in range(100)]
    await asyncio.sleep(0.02)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(asked) == 1
    assert isinstance(found[0], asyncio.CancelledError)
    assert len({each.key for each in found[1:] if not isinstance(each, BaseException)}) == 1
    await identities.of(key)
    assert len(asked) == 1


async def test_memory_has_an_end(store: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys are shown, so many are remembered; refused ones not at all."""
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    ada = await make_user(store)
    _, identities = make_identities(store)
    for _ in range(5):
        await identities.of(await make_key(store, ada))
    for n in range(5):
        assert await refused(identities, f"ok_{n}")
    assert len(identities._known) == 3
    assert not identities._asked


async def test_use_is_noted_once_a_minute(store: asyncpg.Pool, valkey: Redis) -> None:
    """The time of the last use is written at the first use, then at most once a minute."""
    ada = await make_user(store)
    accounts, _ = make_accounts(store, valkey)
    _, identities = make_identities(store, ttl=0)
    key = await make_key(store, ada)

    async def used() -> int | None:
        return (await accounts.keys(ada))[0].last_used_time

    assert await used() is None
    await identities.of(key)
    first = await used()
    assert first is not None
    await identities.of(key)
    assert await used() == first
    await store.execute("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    await identities.of(key)
    assert (await used() or 0) >= first
    grant = await accounts.sign_in("ada", PASSWORD, "", "")
    await store.execute("UPDATE sessions SET last_used_at = now() - interval '61 seconds'")
    await identities.of(grant.access_token)
    assert (await accounts.sessions(ada))[0].last_used_time >= first


async def test_a_store_that_is_away_is_said_so(store: asyncpg.Pool) -> None:
    """Without the store nobody is refused as unknown, and nobody is let in: it is our outage."""
    key = await make_key(store, await make_user(store))
    _, identities = make_identities(store, ttl=0)
    await store.execute("ALTER TABLE api_keys RENAME TO elsewhere")
    with pytest.raises(StoreUnavailableError):
        await identities.of(key)
    assert not identities._asked


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_any_text_is_refused_without_the_store(text: str) -> None:
    """What has not even the shape of a credential is refused before anybody is asked."""

    async def ask() -> None:
        _, identities = make_identities(None)
        assert await refused(identities, text)
        assert await refused(identities, f"ok_{text}")

    asyncio.run(ask())
