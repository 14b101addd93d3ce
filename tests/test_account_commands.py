"""`outcry user` and `outcry key`, as a shell and as a person at a terminal use them."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from accounts import PASSWORD
from openoutcry.adapters.postgres.users import find_user
from openoutcry.model import Role, Scope
from openoutcry.services.identity import Identities
from openoutcry.services.passwords import Passwords
from openoutcry.services.tokens import AccessTokens

ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("OUTCRY_")}
ENVIRON["PYTHONPATH"] = str(Path(__file__).parent.parent / "src")


class Shell:
    """Runs `outcry` beside a database."""

    def __init__(self, url: str) -> None:
        self.environ = {**ENVIRON, "OUTCRY_DATABASE_URL": url}

    def __call__(self, *words: str, said: str = "", code: int = 0) -> str:
        """Return what a command printed; `said` is its standard input, `code` its exit code."""
        found = subprocess.run(
            [sys.executable, "-m", "openoutcry", *words],
            env=self.environ,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd="/",
        )
        assert found.returncode == code, found.stderr
        if code:
            assert found.stderr.count("\n") == 1, found.stderr
            return found.stderr
        return found.stdout

    def typed(self, *words: str, lines: list[str]) -> tuple[int, str]:
        """Return the exit code of a command at a terminal, and all that the terminal showed."""
        pid, terminal = pty.fork()
        if not pid:  # pragma: no cover - another process
            command = [sys.executable, "-m", "openoutcry", *words]
            os.execve(sys.executable, command, self.environ)  # noqa: S606
        shown, deadline = b"", time.monotonic() + 60
        try:
            while time.monotonic() < deadline:
                try:
                    shown += os.read(terminal, 4096)
                except OSError:
                    break
                if lines and shown.endswith(b": "):
                    os.write(terminal, f"{lines.pop(0)}\n".encode())
                    shown += b"(typed)"
        finally:
            os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.fixture
def outcry(database_url: str) -> Shell:
    return Shell(database_url)


async def right(store: asyncpg.Pool, name: str, password: str) -> bool:
    found = await find_user(store, name)
    assert found is not None
    return (await Passwords().check(password, found.password_hash))[0]


async def test_users(outcry: Shell, store: asyncpg.Pool) -> None:
    """Add, list, disable, enable, another password: what is printed and what is stored."""
    assert "No users" in outcry("user", "list")
    assert outcry("user", "add", "Ada", "--role", "admin", said=f"{PASSWORD}\nmore\n") == (
        "Added Ada, admin.\n"
    )
    assert outcry("user", "add", "bob", said=PASSWORD) == "Added bob, user.\n"
    found = await find_user(store, "ada")
    assert found is not None
    assert (found.user.name, found.user.role) == ("Ada", Role.ADMIN)
    assert await right(store, "ada", PASSWORD)
    assert "shut out" in outcry("user", "disable", "BOB")
    listed = outcry("user", "list").splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [
        ["Ada", "admin", "enabled"],
        ["bob", "user", "disabled"],
    ]
    assert "may sign in" in outcry("user", "enable", "bob")
    assert "bob is admin now" in outcry("user", "role", "bob", "admin")
    found = await find_user(store, "bob")
    assert found is not None
    assert found.user.role is Role.ADMIN
    assert "another password" in outcry("user", "password", "bob", said="twelve grey herons\r\n")
    assert await right(store, "bob", "twelve grey herons")
    assert not await right(store, "bob", PASSWORD)


async def test_keys(outcry: Shell, store: asyncpg.Pool) -> None:
    """A key is printed once and alone; listed without its secret; revoked by its prefix."""
    outcry("user", "add", "ada", "--role", "admin", said=PASSWORD)
    assert outcry("key", "list", "ada") == "ada has no keys.\n"
    key = outcry("key", "create", "ADA", "--name", "price bot").strip()
    more = ("--scopes", "trade,admin", "--days", "3")
    other = outcry("key", "create", "ada", "--name", "laptop", *more).strip()

    async def secret() -> bytes:
        raise AssertionError

    identities = Identities(store, AccessTokens(secret), ttl=0)
    assert (await identities.of(key)).scopes == {Scope.READ}
    assert (await identities.of(other)).scopes == frozenset(Scope)
    listed = outcry("key", "list", "ada")
    assert re.search(r"price bot +read +\S+ \S+ +\S+ \S+ +for good", listed)
    assert re.search(r"laptop +read,trade,admin .* until ", listed)
    for each in (key, other):
        assert each.split("_")[1] in listed
        assert each.split("_")[2] not in listed
    assert "five seconds" in outcry("key", "revoke", key.split("_")[1])
    assert re.search(r"price bot .* revoked ", outcry("key", "list", "ada"))
    assert "no key" in outcry("key", "revoke", key.split("_")[1], code=1)


async def test_mistakes(outcry: Shell, store: asyncpg.Pool) -> None:
    """Each is one line that says what would be right; nothing is stored."""
    outcry("user", "add", "ada", said=PASSWORD)
    assert "already" in outcry("user", "add", "ADA", said=PASSWORD, code=1)
    assert "10 to 200" in outcry("user", "add", "bob", said="short\n", code=1)
    assert "10 to 200" in outcry("user", "add", "bob", code=1)
    assert "letters, digits" in outcry("user", "add", "b b", said=PASSWORD, code=1)
    assert "user, admin" in outcry("user", "add", "bob", "--role", "king", said=PASSWORD, code=2)
    assert "no user 'bob'" in outcry("user", "disable", "bob", code=1)
    assert "no user 'bob'" in outcry("user", "password", "bob", said=PASSWORD, code=1)
    assert "no user 'bob'" in outcry("key", "create", "bob", "--name", "x", code=1)
    assert "Only an admin" in outcry(
        *("key", "create", "ada", "--name", "x", "--scopes", "admin"), code=1
    )
    assert "there are read" in outcry(
        *("key", "create", "ada", "--name", "x", "--scopes", "fly"), code=1
    )
    assert await store.fetchval("SELECT count(*) FROM users") == 1
    assert await store.fetchval("SELECT count(*) FROM api_keys") == 0


async def test_an_old_schema_is_named(outcry: Shell, store: asyncpg.Pool) -> None:
    """Against a database that was not upgraded the command says what to run."""
    await store.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "outcry db upgrade" in outcry("user", "list", code=1)


async def test_at_a_terminal(outcry: Shell, store: asyncpg.Pool) -> None:
    """A person is asked twice and sees nothing of what they type; two that differ change nothing."""
    code, shown = outcry.typed("user", "add", "ada", lines=[PASSWORD, PASSWORD + "x"])
    assert (code, "not the same" in shown) == (2, True)
    assert await find_user(store, "ada") is None
    code, shown = outcry.typed("user", "add", "ada", lines=[PASSWORD, PASSWORD])
    assert code == 0, shown
    assert shown.count(": (typed)") == 2
    assert "Added ada, user." in shown
    assert PASSWORD not in shown
    assert await right(store, "ada", PASSWORD)


def test_no_password_as_an_argument(outcry: Shell) -> None:
    """There is no option for it: others on the machine could read it in the list of processes."""
    found = subprocess.run(
        [sys.executable, "-m", "openoutcry", "user", "add", "ada", "--password", PASSWORD],
        env=outcry.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 2
    assert "No such option" in found.stderr


def test_keys_of_exchanges_from_a_shell(database_url: str) -> None:
    """Added from two lines, listed without the key, removed; the secret is never printed."""
    shell = Shell(database_url)
    shell("user", "add", "ada", said=f"{PASSWORD}\n")
    key, secret = "KEYofTheEXCHANGE0123456789", "aSECRETthatNOBODYsees"
    assert "standard input" in shell("exchange-key", "add", "ada", said=f"{key}\n", code=1)
    told = shell("exchange-key", "add", "ada", said=f"{key}\n{secret}\n")
    again = shell("exchange-key", "add", "ada", said=f"{key}\n{secret}\n", code=1)
    listed = shell("exchange-key", "list", "ada")
    assert "binance" in listed
    for text in (told, again, listed):
        assert secret not in text
        assert key not in text
    number = listed.splitlines()[1].split()[0]
    shell("exchange-key", "remove", "ada", number)
    assert "no keys" in shell("exchange-key", "list", "ada")
    shell("exchange-key", "remove", "ada", number, code=1)
