"""Signing in, refreshing and signing out, against real engines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from msgspec import structs
from pwdlib import PasswordHash
from redis.asyncio import Redis

from accounts import PASSWORD, make_accounts, make_user, quick
from openoutcry.adapters.postgres import sessions, users
from openoutcry.errors import BadRequestError, TooManyTriesError, UnauthorizedError
from openoutcry.model import Role, User
from openoutcry.services.accounts import Accounts, Grant
from openoutcry.services.passwords import Passwords
from openoutcry.services.user_admin import add_user, change_password

HERE = "192.0.2.1"


@pytest.fixture
async def accounts(store: asyncpg.Pool, valkey: Redis) -> Accounts:
    return make_accounts(store, valkey)[0]


async def grant(accounts: Accounts, name: str = "ada", password: str = PASSWORD) -> Grant:
    return await accounts.sign_in(name, password, HERE, "test agent")


async def test_sign_in(accounts: Accounts, store: asyncpg.Pool) -> None:
    """The right password begins a session, whatever the case of the name; it is in the list."""
    ada = await make_user(store, "Ada", Role.ADMIN)
    found = await grant(accounts, "aDA")
    assert (found.user, found.expires_in) == (ada, 900)
    (session,) = await accounts.sessions(ada)
    assert structs.astuple(session)[:3] == (found.session, "test agent", HERE)
    assert session.created_time == session.last_used_time
    assert session.expires_time - session.created_time == 30 * 86_400_000_000


async def test_names_are_unique_in_any_case(store: asyncpg.Pool) -> None:
    """Nobody gets a name that looks like another's."""
    await make_user(store, "Ada")
    with pytest.raises(BadRequestError, match="'aDa' already"):
        await make_user(store, "aDa")


@pytest.mark.usefixtures("real_hashes")
async def test_only_a_good_hash_is_stored(store: asyncpg.Pool) -> None:
    """The store has argon2id with RFC 9106's parameters, and never the password."""
    await add_user(store, Passwords(), "ada", Role.USER, PASSWORD)
    found = await users.find_user(store, "ada")
    assert found is not None
    assert found.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in found.password_hash


class Counting(PasswordHash):
    """A hasher that notes which hashes it was asked to check."""

    def __init__(self) -> None:
        super().__init__(quick().hashers)
        self.checked: list[str] = []

    def verify_and_update(self, *args: str | bytes) -> tuple[bool, str | None]:
        self.checked.append(str(args[1]))
        return super().verify_and_update(*args)


async def test_every_refusal_is_the_same_work(store: asyncpg.Pool, valkey: Redis) -> None:
    """Unknown name, wrong password, disabled user: one check each, of the same cost, same words."""
    hasher = Counting()
    accounts, _ = make_accounts(store, valkey, passwords=Passwords(lambda: hasher))
    await make_user(store, "ada")
    await make_user(store, "bob")
    await users.set_disabled(store, "bob", disabled=True)
    said = set()
    for name, password in [
        *(("ada", "wrong"), ("nobody", PASSWORD), ("bob", PASSWORD), ("no name!", PASSWORD)),
        *(("ada", "half \ud800"), ("nobody", "half \ud800")),
    ]:
        hasher.checked.clear()
        with pytest.raises(UnauthorizedError) as refusal:
            await grant(accounts, name, password)
        said.add(str(refusal.value))
        (checked,) = hasher.checked
        assert checked.split("$")[1:4] == ["argon2id", "v=19", "m=64,t=1,p=1"]
    assert said == {"Name or password is wrong."}


async def test_nobodys_password_is_no_way_in() -> None:
    """Even if the check against nobody's hash came out right, the answer is no."""

    class Yes(Counting):
        def verify_and_update(self, *_: object) -> tuple[bool, str | None]:
            return True, "better"

    assert await Passwords(Yes).check("x", None) == (False, None)
    assert await Passwords(Yes).check("x", "stored") == (True, "better")


async def test_old_parameters_are_renewed(accounts: Accounts, store: asyncpg.Pool) -> None:
    """A hash of weaker parameters is replaced at the next sign-in, of several at once as well."""
    weak = "$argon2id$v=19$m=8,t=1,p=1$"
    ada = await make_user(store)
    from pwdlib.hashers.argon2 import Argon2Hasher

    old = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    assert old.startswith(weak)
    await users.set_password(store, "ada", old)
    await asyncio.gather(*(grant(accounts) for _ in range(4)))
    found = await users.find_user(store, "ada")
    assert found is not None
    assert (found.user, found.password_hash.startswith(weak)) == (ada, False)
    await grant(accounts)


async def test_refresh_rotates(accounts: Accounts, store: asyncpg.Pool) -> None:
    """Each refresh gives a new token of the same session; only the newest is good."""
    await make_user(store)
    first = await grant(accounts)
    second = await accounts.refresh(first.refresh_token)
    third = await accounts.refresh(second.refresh_token)
    assert first.session == second.session == third.session
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


@pytest.mark.parametrize("age", [0, 1, 2])
async def test_a_token_used_twice_ends_the_session(
    accounts: Accounts, store: asyncpg.Pool, age: int
) -> None:
    """However old the stolen token is: neither the thief nor the owner keeps the session."""
    await make_user(store)
    other = await grant(accounts)
    tokens = [(await grant(accounts)).refresh_token]
    for _ in range(3):
        tokens.append((await accounts.refresh(tokens[-1])).refresh_token)
    for token in (tokens[age], tokens[-1]):
        with pytest.raises(UnauthorizedError, match="refresh token"):
            await accounts.refresh(token)
    assert (await accounts.refresh(other.refresh_token)).session == other.session


async def test_one_of_many_at_once_refreshes(accounts: Accounts, store: asyncpg.Pool) -> None:
    """The same token from eight places at once is used by one at the most, and then it is over."""
    await make_user(store)
    first = await grant(accounts)
    found = await asyncio.gather(
        *(accounts.refresh(first.refresh_token) for _ in range(8)), return_exceptions=True
    )
    good = [each for each in found if isinstance(each, Grant)]
    assert len(good) == 1
    assert all(isinstance(each, Grant | UnauthorizedError) for each in found)
    with pytest.raises(UnauthorizedError):
        await accounts.refresh(good[0].refresh_token)


async def test_a_made_up_token_ends_nothing(accounts: Accounts, store: asyncpg.Pool) -> None:
    """Whoever does not have a token of the family cannot end a session by guessing."""
    await make_user(store)
    first = await grant(accounts)
    kind, family, secret = first.refresh_token.split("_")
    made_up = [f"{kind}_{'A' * len(family)}_{secret}", "or_x_y", "", f"ok_{family}_{secret}"]
    for token in made_up:
        with pytest.raises(UnauthorizedError):
            await accounts.refresh(token)
    await accounts.refresh(first.refresh_token)


async def test_sessions_end_by_themselves(accounts: Accounts, store: asyncpg.Pool) -> None:
    """Past its time a session cannot be refreshed, is not listed, and is tidied away."""
    ada = await make_user(store)
    first = await grant(accounts)
    await store.execute("UPDATE sessions SET expires_at = now() - interval '1 second'")
    with pytest.raises(UnauthorizedError):
        await accounts.refresh(first.refresh_token)
    assert await accounts.sessions(ada) == []
    await grant(accounts)
    assert await store.fetchval("SELECT count(*) FROM sessions") == 1


async def test_so_many_sessions_at_most(
    accounts: Accounts, store: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the most a user may have, the one used longest ago ends."""
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 2)
    ada = await make_user(store)
    first, second = [await grant(accounts) for _ in range(2)]
    await accounts.refresh(first.refresh_token)
    third = await grant(accounts)
    assert [each.id for each in await accounts.sessions(ada)] == [third.session, first.session]
    with pytest.raises(UnauthorizedError):
        await accounts.refresh(second.refresh_token)


ENDINGS: dict[str, Callable[[Accounts, asyncpg.Pool, User], Awaitable[object]]] = {
    "disabled": lambda _, store, user: users.set_disabled(store, user.name, disabled=True),
    "password": lambda _, store, user: change_password(
        store, Passwords(quick), user.name, "twelve grey herons"
    ),
    "everywhere": lambda accounts, _, user: accounts.sign_out_everywhere(user),
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_what_ends_every_session(accounts: Accounts, store: asyncpg.Pool, how: str) -> None:
    """Disabling, another password, signing out everywhere: no session of that user is left."""
    ada, bob = await make_user(store, "ada"), await make_user(store, "bob")
    mine, others = [await grant(accounts) for _ in range(2)], await grant(accounts, "bob")
    await ENDINGS[how](accounts, store, ada)
    for each in mine:
        with pytest.raises(UnauthorizedError):
            await accounts.refresh(each.refresh_token)
    assert await accounts.sessions(ada) == []
    assert [each.id for each in await accounts.sessions(bob)] == [others.session]


async def test_a_sign_in_loses_against_a_new_password(store: asyncpg.Pool) -> None:
    """Who was let in by the old password a moment ago gets no session once it is another."""
    ada = await make_user(store)
    before = await users.find_user(store, "ada")
    assert before is not None
    await change_password(store, Passwords(quick), "ada", "twelve grey herons")
    begun = await sessions.begin_session(
        store,
        ada.id,
        before.password_changed_time,
        (bytes(32), bytes(32)),
        seen=("", ""),
        seconds=60,
    )
    assert begun is None


async def test_disabling_meets_signing_in(accounts: Accounts, store: asyncpg.Pool) -> None:
    """However the two cross, a disabled user has no session in the end."""
    ada = await make_user(store)
    for _ in range(10):
        await users.set_disabled(store, "ada", disabled=False)
        await asyncio.gather(
            grant(accounts),
            users.set_disabled(store, "ada", disabled=True),
            return_exceptions=True,
        )
        assert await accounts.sessions(ada) == []


async def test_keys_are_bounded(
    accounts: Accounts, store: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many keys and no more, also at once; of revoked ones the newest are remembered."""
    from openoutcry.adapters.postgres import api_keys

    monkeypatch.setattr(api_keys, "MOST_KEYS", 3)
    ada = await make_user(store)
    made = await asyncio.gather(
        *(accounts.add_key(ada, f"key {n}") for n in range(6)), return_exceptions=True
    )
    keys = [each[0] for each in made if isinstance(each, tuple)]
    assert len(keys) == 3
    assert sum(isinstance(each, BadRequestError) for each in made) == 3
    for _ in range(3):
        for key in await accounts.keys(ada):
            await accounts.revoke_key(ada, key.prefix)
        for n in range(3):
            await accounts.add_key(ada, f"again {n}")
    assert sum(key.revoked_time is not None for key in await accounts.keys(ada)) == 3


async def test_too_many_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is bounded: two at a time, so many waiting, further ones are told to come back."""
    from openoutcry.services import passwords

    monkeypatch.setattr(passwords, "_MOST_WAITING", 3)
    hasher = Passwords(quick)
    found = await asyncio.gather(*(hasher.hash("x" * 10) for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(each, str) for each in found) == 3
    assert sum(isinstance(each, TooManyTriesError) for each in found) == 6
    assert await hasher.hash("x" * 10)
