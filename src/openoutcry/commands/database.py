"""`outcry db`: the schema."""

from __future__ import annotations

import asyncio
from typing import Any

import typer

from openoutcry import config
from openoutcry.adapters.postgres import readiness
from openoutcry.commands.context import finish, reached
from openoutcry.errors import StoreUnavailableError


def upgrade(overrides: dict[str, Any], *, wait: bool) -> None:
    """Run the migrations that the database has not seen."""
    finish(_upgrade(config.load(overrides=overrides), wait=wait))


async def _upgrade(settings: config.Settings, *, wait: bool) -> None:
    async with reached(settings, launch=True) as found:
        pause = asyncio.Event()
        while wait and not await readiness.answers(found.database_url):
            await readiness.wait_for(pause, 0.1)
        before = await readiness.revision(found.database_url)
        if before != readiness.known_revisions()[-1]:
            # Almost a second of imports, which most starts can do without.
            from openoutcry.adapters.postgres import migrate

            await migrate.upgrade(found.database_url)
        after = await readiness.revision(found.database_url)
    typer.echo(f"Schema at {after}." if before == after else f"Schema from {before} to {after}.")


def current(overrides: dict[str, Any]) -> None:
    """Print the revision; exit code 1 if it is not the newest."""
    found = finish(_current(config.load(overrides=overrides)))
    newest = readiness.known_revisions()[-1]
    if found == newest:
        typer.echo(f"{found} (newest)")
        return
    typer.echo(f"{found or 'none'} (newest is {newest}; run `outcry db upgrade`)")
    raise typer.Exit(1)


async def _current(settings: config.Settings) -> str | None:
    async with reached(settings, launch=True) as found:
        if not await readiness.answers(found.database_url):
            raise StoreUnavailableError("PostgreSQL does not answer.")
        return await readiness.revision(found.database_url)
