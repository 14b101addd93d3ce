"""Limits of wrong passwords: over processes, by name and address, and while Valkey is away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from accounts import PASSWORD, make_accounts, make_user
from openoutcry.adapters.postgres import users
from openoutcry.adapters.valkey import server
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.tries import SharedTries
from openoutcry.errors import StoreUnavailableError, TooManyTriesError, UnauthorizedError
from openoutcry.services import sign_in_limits
from openoutcry.services.sign_in_limits import OwnTries, SignInLimits, SignInOptions

HERE, THERE = "192.0.2.1", "198.51.100.7"
FEW = SignInOptions(by_name=3, by_address=5, seconds=900)

PROCESS = """
import asyncio, sys, json
from openoutcry.adapters.postgres import users
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.tries import SharedTries
from openoutcry.errors import TooManyTriesError
from openoutcry.services.sign_in_limits import SignInLimits, SignInOptions

async def main():
    limits = SignInLimits(SharedTries(connect(sys.argv[1])), SignInOptions(10, 1000, 900))
    print("ready", flush=True)
    sys.stdin.readline()
    tries = (limits.take("Ada", f"192.0.2.{n}") for n in range(40))
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert all(each is None or isinstance(each, TooManyTriesError) for each in found), found
    print(json.dumps(sum(each is None for each in found)))

asyncio.run(main())
"""


async def taken(limits: SignInLimits, name: str, address: str, count: int) -> int:
    """Return how many of so many tries were let through."""
    through = 0
    for _ in range(count):
        try:
            await limits.take(name, address)
        except TooManyTriesError:
            continue
        through += 1
    return through


async def test_a_name_and_an_address_have_so_many(valkey: Redis) -> None:
    """A name has its tries whatever the addresses, an address its own whatever the names."""
    limits = SignInLimits(SharedTries(valkey), FEW)
    assert await taken(limits, "ada", HERE, 4) == 3
    assert await taken(limits, "ADA", THERE, 4) == 0
    assert await taken(limits, "bob", HERE, 4) == 2  # what the address had left
    assert await taken(limits, "bob", THERE, 4) == 1  # the refused took none of bob's
    assert await taken(limits, "nobody", THERE, 9) == 3


async def test_a_subscriber_with_many_addresses_is_one(valkey: Redis) -> None:
    """All of an IPv6 /56 counts as one address."""
    limits = SignInLimits(SharedTries(valkey), FEW)
    names = [f"user{n}" for n in range(8)]
    found = [await taken(limits, name, f"2001:db8:0:10{n}::1", 1) for n, name in enumerate(names)]
    assert sum(found) == 5
    assert await taken(limits, "another", "2001:db8:0:200::1", 1) == 1


async def test_the_wait_is_told_and_is_right(valkey: Redis) -> None:
    """The refusal says when the next try is there, and then it is."""
    limits = SignInLimits(SharedTries(valkey), SignInOptions(by_name=2, by_address=99, seconds=4))
    assert await taken(limits, "ada", HERE, 2) == 2
    with pytest.raises(TooManyTriesError, match="try again in 2 s") as refusal:
        await limits.take("ada", HERE)
    await asyncio.sleep(refusal.value.retry_after)
    assert await taken(limits, "ada", HERE, 2) == 1


async def test_over_processes_at_once(valkey_url: str) -> None:
    """Two processes that try at the same time are let through ten times together, not each."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, valkey_url],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for each in both:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in both:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        through = [json.loads(each.communicate(timeout=60)[0]) for each in both]
    finally:
        for each in both:
            each.kill()
    assert sum(through) == 10


async def test_a_flood_is_no_outage(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand at once are counted in Valkey or refused, but never take it for being away.

    With the patience of a busy machine: a slow answer is not what is looked at here.
    """
    monkeypatch.setattr(sign_in_limits, "_MOST_WAITING", 300)
    monkeypatch.setattr(sign_in_limits, "_PATIENCE", 60.0)
    monkeypatch.setattr(server, "_CONNECT_SECONDS", 60.0)
    valkey = connect(valkey_url)
    limits = SignInLimits(SharedTries(valkey), SignInOptions(20, 1000, 900))
    with capture_logs() as logs:
        found = await asyncio.gather(
            *(limits.take("ada", f"192.0.2.{n % 250}") for n in range(1000)), return_exceptions=True
        )
    assert sum(each is None for each in found) == 20
    assert all(each is None or isinstance(each, TooManyTriesError) for each in found)
    assert logs == []
    await valkey.aclose()


async def test_right_passwords_cost_nothing(store: asyncpg.Pool, valkey: Redis) -> None:
    """Who knows the password may sign in as often as they like."""
    await make_user(store)
    accounts, _ = make_accounts(store, valkey, options=FEW)
    for _ in range(8):
        await accounts.sign_in("ada", PASSWORD, HERE, "")


async def test_wrong_passwords_are_refused_even_when_right(
    store: asyncpg.Pool, valkey: Redis
) -> None:
    """After too many wrong ones nobody looks at the password any more, so guessing is over."""
    await make_user(store)
    accounts, _ = make_accounts(store, valkey, options=FEW)
    for _ in range(3):
        with pytest.raises(UnauthorizedError):
            await accounts.sign_in("ada", "wrong", HERE, "")
    with pytest.raises(TooManyTriesError):
        await accounts.sign_in("ada", PASSWORD, HERE, "")


async def test_a_burst_is_counted_before_it_is_judged(store: asyncpg.Pool, valkey: Redis) -> None:
    """Twenty wrong passwords at once, by two processes' connections: three are looked at."""
    await make_user(store)
    one, other = (make_accounts(store, valkey, options=FEW)[0] for _ in range(2))
    found = await asyncio.gather(
        *(
            accounts.sign_in("ada", f"wrong {n}", f"203.0.113.{n}", "")
            for n, accounts in enumerate([one, other] * 10)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, UnauthorizedError) for each in found) == 3
    assert sum(isinstance(each, TooManyTriesError) for each in found) == 17


async def test_a_stranger_does_not_lock_the_owner_out(store: asyncpg.Pool, valkey: Redis) -> None:
    """An address from which a name has signed in has its own tries for it, as many and no more."""
    await make_user(store)
    accounts, _ = make_accounts(store, valkey, options=FEW)
    limits = SignInLimits(SharedTries(valkey), FEW)
    await accounts.sign_in("ada", PASSWORD, HERE, "")
    assert await taken(limits, "ada", THERE, 5) == 3
    await accounts.sign_in("ada", PASSWORD, HERE, "")
    assert await taken(limits, "ada", HERE, 5) == 3


async def test_no_name_or_password_in_a_key(store: asyncpg.Pool, valkey: Redis) -> None:
    """What was typed into the name field, by mistake a password, is not kept in Valkey."""
    accounts, _ = make_accounts(store, valkey)
    with pytest.raises(UnauthorizedError):
        await accounts.sign_in("MySecretPassword", "x", HERE, "")
    keys = [str(key) for key in await valkey.keys()]
    assert len(keys) == 2
    assert not [key for key in keys if "secret" in key.lower()]
    assert all([await valkey.pttl(key) > 0 for key in await valkey.keys()])


async def test_without_valkey_each_process_counts_alone(free_port: int) -> None:
    """An outage neither locks everybody out nor lets everything through; the log says so, once."""
    limits = SignInLimits(SharedTries(connect(f"redis://127.0.0.1:{free_port}", retries=0)), FEW)
    with capture_logs() as logs:
        assert await taken(limits, "ada", HERE, 9) == 3
        assert await taken(limits, "bob", HERE, 9) == 2
        assert await taken(limits, "eve", THERE, 9) == 3
        await limits.give_back("eve", THERE, right=True)
        assert await taken(limits, "eve", THERE, 9) == 1
    warnings = [each for each in logs if each["log_level"] == "warning"]
    assert len(warnings) == 1
    assert "while Valkey is away" in warnings[0]["event"]


async def test_an_outage_ends(valkey: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """When Valkey is back it is asked again."""
    monkeypatch.setattr(sign_in_limits, "_AWAY", 0.0)
    limits = SignInLimits(SharedTries(valkey), FEW)
    monkeypatch.setattr(sign_in_limits, "_PATIENCE", 0.1)
    await valkey.client_pause(2_000, all=True)  # not even a command to end it would be heard
    assert await taken(limits, "ada", HERE, 1) == 1
    monkeypatch.setattr(sign_in_limits, "_PATIENCE", 10.0)
    assert await taken(limits, "ada", THERE, 9) == 3
    assert await valkey.exists("sign_in:address:198.51.100.7")


async def test_a_store_that_is_away_costs_no_try(
    store: asyncpg.Pool, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in that nobody could judge is not counted as a wrong one."""
    await make_user(store)
    accounts, _ = make_accounts(store, valkey, options=FEW)

    async def away(*_: object) -> None:
        raise StoreUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(users, "find_user", away)
        for _ in range(9):
            with pytest.raises(StoreUnavailableError):
                await accounts.sign_in("ada", PASSWORD, HERE, "")
    await accounts.sign_in("ada", PASSWORD, HERE, "")


def test_own_tries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names are tried while Valkey is away, memory has an end."""
    monkeypatch.setattr(sign_in_limits, "MOST_BUCKETS", 10)
    own = OwnTries()
    for n in range(100):
        own.take(f"name {n}", 3, 1000)
    assert len(own._due) == 10
