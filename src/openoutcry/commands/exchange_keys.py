"""`outcry exchange-key`: keys of live exchanges, for those who administer the machine."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import typer

from openoutcry import config
from openoutcry.adapters.postgres.exchange_keys import ExchangeKey
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.commands.accounts import do, new_table, print_table, shown, user_of, when
from openoutcry.errors import BadRequestError
from openoutcry.model import User
from openoutcry.services.accounts import secret_of
from openoutcry.services.exchange_keys import ExchangeKeys

T = TypeVar("T")
Overrides = dict[str, Any]


def add(overrides: Overrides, name: str, exchange: str, label: str) -> None:
    """Ask for a key and its secret, and store them sealed."""
    key, secret = ask_key(exchange)

    async def added(keys: ExchangeKeys, user: User) -> ExchangeKey:
        return await keys.add(user, exchange, label, key, secret)

    typer.echo(f"Added key {_with(overrides, name, added).id} of {exchange} for {name}.")


def show(overrides: Overrides, name: str) -> None:
    """Print a user's keys, without the keys."""

    async def listed(keys: ExchangeKeys, user: User) -> list[ExchangeKey]:
        return await keys.list(user)

    found = _with(overrides, name, listed)
    table = new_table("id", "exchange", "name", "ends in", "created")
    for key in found:
        table.add_row(
            str(key.id), key.exchange, shown(key.name), shown(key.hint), when(key.created_time)
        )
    if found:
        print_table(table)
    else:
        typer.echo(f"{name} has no keys of exchanges.")


def remove(overrides: Overrides, name: str, key_id: int) -> None:
    """Remove a key."""

    async def removed(keys: ExchangeKeys, user: User) -> None:
        await keys.remove(user, key_id)

    _with(overrides, name, removed)
    typer.echo(f"Removed key {key_id} of {name}.")


def ask_key(exchange: str) -> tuple[str, str]:
    """Return a key and its secret as typed, else the first line and the rest of standard input.

    Neither is an argument: other accounts of the machine can read those.
    """
    if sys.stdin.isatty():
        key = getpass.getpass(f"API key of {exchange} (not shown): ").strip()
        return key, getpass.getpass("Its secret (not shown): ").strip()
    key, _, secret = sys.stdin.read().strip().partition("\n")
    if not secret.strip():
        raise BadRequestError("Two lines are needed on standard input: the key, then its secret.")
    return key.strip(), secret.strip()


def _with(overrides: Overrides, name: str, work: Callable[[ExchangeKeys, User], Awaitable[T]]) -> T:
    settings = config.load(overrides=overrides)

    async def worked(pool: Pool) -> T:
        user = await user_of(pool, name)
        keys = ExchangeKeys(pool, partial(secret_of, pool, settings.secret_key))
        return await work(keys, user)

    return do(overrides, worked)
