"""`outcry db`: the schema."""

from __future__ import annotations

from typing import Any

import typer

from openoutcry import config
from openoutcry.adapters.postgres import readiness
from openoutcry.commands.context import finish, reached
from openoutcry.errors import StoreUnavailableError


def upgrade(overrides: dict[str, Any]) -> None:
    """Run the migrations that the database has not seen."""
    before, after = finish(_upgrade(config.load(overrides=overrides)))
    typer.echo(f"Schema at {after}." if before == after else f"Schema from {before} to {after}.")


async def _upgrade(settings: config.Settings) -> tuple[str | None, str | None]:
    from openoutcry.adapters.postgres import migrate

    async with reached(settings, launch=True) as found:
        before = await _revision(found.database_url)
        await migrate.upgrade(found.database_url)
        return before, await _revision(found.database_url)


def current(overrides: dict[str, Any]) -> None:
    """Print the revision; exit code 1 if it is not the newest."""
    found = finish(_current(config.load(overrides=overrides)))
    newest = readiness.newest_revision()
    if found == newest:
        typer.echo(f"{found} (newest)")
        return
    typer.echo(f"{found or 'none'} (newest is {newest}; run `outcry db upgrade`)")
    raise typer.Exit(1)


async def _current(settings: config.Settings) -> str | None:
    async with reached(settings, launch=True) as found:
        return await _revision(found.database_url)


async def _revision(url: str) -> str | None:
    if not await readiness.answers(url):
        raise StoreUnavailableError("PostgreSQL does not answer.")
    return await readiness.revision(url)
