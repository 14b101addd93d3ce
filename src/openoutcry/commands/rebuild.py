"""`outcry rebuild`: derived tables made anew from their log, and compared with what was there."""

from __future__ import annotations

from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from openoutcry import config, logs
from openoutcry.adapters.postgres import token_index
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_compare import Compared, rebuild_and_compare
from openoutcry.adapters.postgres.token_compare import forget as forget_chain
from openoutcry.commands.context import check_schema, finish, reached
from openoutcry.errors import ConfigError

_COLUMNS: Final = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("tokens"),
    TimeRemainingColumn(),
)
_COMMAND_SECONDS: Final = 86_400.0

Overrides = dict[str, Any]


def tokens(overrides: Overrides, *, check: bool) -> None:
    """Rebuild the tokens' tables and print what has changed; with `check` only the latter."""
    found = finish(_rebuild(_settings(overrides), check=check))
    table = Table("table", "rows", "", box=None)
    for each in found:
        rows = (
            f"{each.after:,}" if each.before == each.after else f"{each.before:,} → {each.after:,}"
        )
        table.add_row(each.table, rows, "" if each.same else "differed")
    console = Console(highlight=False)
    console.print(table)
    wrong = sum(not each.same for each in found)
    if not wrong:
        console.print("Every byte is as it was.")
    elif check:
        console.print(
            f"{wrong} tables differ from what the log says; `outcry rebuild tokens` mends."
        )
        raise typer.Exit(1)
    else:
        console.print(f"{wrong} tables differed from what the log says, and are right now.")


async def _rebuild(settings: config.Settings, *, check: bool) -> list[Compared]:
    async with reached(settings, launch=True) as found:
        await check_schema(found.database_url)
        connection = await dial(
            found.database_url,
            application_name="outcry rebuild",
            command_timeout=_COMMAND_SECONDS,
        )
        try:
            with Progress(*_COLUMNS, console=Console(stderr=True)) as bar:
                task = bar.add_task("Rebuilding", total=None)

                def tell(done: int, tokens: int) -> None:
                    bar.update(task, completed=done, total=tokens)

                return await rebuild_and_compare(connection, tell, keep=not check)
        finally:
            connection.terminate()


def forget(overrides: Overrides, *, yes: bool) -> None:
    """Remove all that is known of the chain, once the user agrees."""
    settings = _settings(overrides)
    if not yes:
        typer.confirm(
            "Remove all tokens and their trades, and read them off the chain again?", abort=True
        )
    finish(_forget(settings))
    typer.echo("All tokens are forgotten; the indexer begins at OUTCRY_CHAIN_START_BLOCK.")


async def _forget(settings: config.Settings) -> None:
    async with reached(settings, launch=True) as found:
        await check_schema(found.database_url)
        connection = await dial(
            found.database_url,
            application_name="outcry rebuild",
            command_timeout=_COMMAND_SECONDS,
        )
        try:
            if not await token_index.own(connection):
                raise ConfigError("An indexer is running on this store: stop it first.")
            await forget_chain(connection)
        finally:
            connection.terminate()


def _settings(overrides: Overrides) -> config.Settings:
    settings = config.load(overrides=overrides)
    logs.configure("warning", settings.log_format)
    return settings
