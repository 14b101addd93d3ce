"""`outcry user` and `outcry key`: who may sign in, and by which keys."""

from __future__ import annotations

import getpass
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from openoutcry import config, logs
from openoutcry.adapters.postgres import api_keys, users
from openoutcry.adapters.postgres.pool import Pool, open_pool
from openoutcry.adapters.postgres.times import from_us
from openoutcry.commands.context import check_schema, finish, reached
from openoutcry.config import Settings
from openoutcry.core.account_rules import check_name, check_password
from openoutcry.errors import ConfigError, NotFoundError
from openoutcry.model import Role, User
from openoutcry.services.key_maker import make_key
from openoutcry.services.passwords import Passwords
from openoutcry.services.user_admin import add_user, change_password

_WIDE: Final = 200
"""Columns where there is no terminal: a script reads lines."""

T = TypeVar("T")
Overrides = dict[str, Any]


def add(overrides: Overrides, name: str, role: str) -> None:
    """Ask for a password and add a user."""
    wanted, password = _role(role), ask_password(check_name(name))
    user = do(overrides, lambda pool: add_user(pool, Passwords(), name, wanted, password))
    typer.echo(f"Added {user.name}, {user.role}.")


def password(overrides: Overrides, name: str) -> None:
    """Ask for another password of a user."""
    another = ask_password(check_name(name))
    user = do(overrides, lambda pool: change_password(pool, Passwords(), name, another))
    typer.echo(f"{user.name} has another password and is signed out everywhere; API keys stay.")


def enable(overrides: Overrides, name: str, *, enabled: bool) -> None:
    """Let a user in, or shut them out."""
    user = do(overrides, lambda pool: users.set_disabled(pool, name, not enabled))
    if enabled:
        typer.echo(f"{user.name} may sign in, and their API keys work again.")
    else:
        typer.echo(f"{user.name} is shut out: sessions have ended, API keys are refused.")


def role(overrides: Overrides, name: str, another: str) -> None:
    """Make a user an admin, or no longer one."""
    wanted = _role(another)
    user = do(overrides, lambda pool: users.set_role(pool, name, wanted))
    typer.echo(f"{user.name} is {user.role} now; sessions go on, as that within five seconds.")


def show_users(overrides: Overrides) -> None:
    """Print every user."""
    found = do(overrides, users.list_users)
    table = new_table("name", "role", "state", "since")
    for each in found:
        state = "disabled" if each.disabled else "enabled"
        table.add_row(each.user.name, each.user.role, state, when(each.created_time))
    if found:
        print_table(table)
    else:
        typer.echo("No users. Add one with `outcry user add NAME --role admin`.")


def create_key(
    overrides: Overrides, name: str, label: str, scopes: Sequence[str], days: int | None
) -> None:
    """Make a key and print it, alone, so that a script can keep it."""

    async def made(pool: Pool) -> str:
        return (await make_key(pool, await user_of(pool, name), label, scopes, days))[1]

    typer.echo(do(overrides, made))
    typer.echo("Keep it: it is not shown again.", err=True)


def show_keys(overrides: Overrides, name: str) -> None:
    """Print the keys of a user, without their secrets."""

    async def listed(pool: Pool) -> list[api_keys.ApiKey]:
        return await api_keys.list_keys(pool, (await user_of(pool, name)).id)

    found = do(overrides, listed)
    table = new_table("prefix", "name", "scopes", "created", "last used", "state")
    for key in found:
        used = "never" if key.last_used_time is None else when(key.last_used_time)
        scopes = ",".join(key.scopes)
        table.add_row(
            key.prefix, shown(key.name), scopes, when(key.created_time), used, _state(key)
        )
    if found:
        print_table(table)
    else:
        typer.echo(f"{name} has no keys.")


def revoke_key(overrides: Overrides, prefix: str) -> None:
    """Revoke a key, whoever's it is."""
    if not do(overrides, lambda pool: api_keys.revoke_key(pool, prefix, None)):
        raise NotFoundError(
            f"There is no key {prefix!r} in force; `outcry key list USER` shows them."
        )
    typer.echo(f"Revoked {prefix}. It stops working within five seconds.")


def ask_password(name: str) -> str:
    """Return the password typed twice at a terminal, else the first line of standard input.

    It is never an argument: other accounts of the machine can read those. Raises BadRequestError.
    """
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return check_password(line.removesuffix("\n").removesuffix("\r"), name)
    first = check_password(getpass.getpass(f"Password of {name}: "), name)
    if getpass.getpass("Again: ") != first:
        raise ConfigError("The two passwords are not the same; nothing was changed.")
    return first


def do(overrides: Overrides, work: Callable[[Pool], Awaitable[T]]) -> T:
    """Return what `work` makes of the database that the settings mean."""
    settings = config.load(overrides=overrides)
    logs.configure("warning", settings.log_format)

    async def with_pool() -> T:
        async with _database(settings) as url:
            await check_schema(url)
            pool = await open_pool(url, application_name="outcry accounts", max_size=1)
            try:
                return await work(pool)
            finally:
                await pool.close()

    return finish(with_pool())


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    if settings.database_url:  # accounts need no Valkey
        yield settings.database_url
        return
    async with reached(settings) as found:
        yield found.database_url


async def user_of(pool: Pool, name: str) -> User:
    """Return the user of that name. Raises NotFoundError."""
    found = await users.find_user(pool, name)
    if found is None:
        raise NotFoundError(f"There is no user {name!r}; `outcry user list` shows them.")
    return found.user


def new_table(first: str, *others: str) -> Table:
    """Return an empty table; what a row is called by is never cut short."""
    table = Table(box=None)
    table.add_column(first, no_wrap=True, overflow="ignore")
    for name in others:
        table.add_column(name)
    return table


def print_table(table: Table) -> None:
    """Print a table, whole lines where there is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise ConfigError(f"The role is {text!r}; it is one of {', '.join(Role)}.") from None


def _state(key: api_keys.ApiKey) -> str:
    if key.revoked_time is not None:
        return f"revoked {when(key.revoked_time)}"
    return "for good" if key.expires_time is None else f"until {when(key.expires_time)}"


def shown(label: str) -> str:
    """Return a label without what could steer a terminal."""
    return "".join(each if each.isprintable() else "?" for each in label)


def when(time: int) -> str:
    """Return a time (µs) to the minute, UTC."""
    return from_us(time).strftime("%Y-%m-%d %H:%M")
