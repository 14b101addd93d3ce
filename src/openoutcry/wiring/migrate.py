"""The migration of the schema, a role that ends when its work is done."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Final

from openoutcry.adapters.postgres import readiness
from openoutcry.config import Settings
from openoutcry.wiring.parts import engine_url

_LIKELY_NEW_SECONDS: Final = 0.5


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Bring the schema up to date once PostgreSQL answers, and return."""
    url = engine_url(settings, "database_url")
    up = asyncio.create_task(readiness.wait_until_up(url, stop))
    # Alembic is a second of imports, which most starts can do without. A database that lets us wait
    # is probably being made, and will need it: then it is imported meanwhile.
    if not (await asyncio.wait({up}, timeout=_LIKELY_NEW_SECONDS))[0]:
        await asyncio.to_thread(import_module, "openoutcry.adapters.postgres.migrate")
    if not await up:
        return
    if await readiness.revision(url) != readiness.newest_revision():
        from openoutcry.adapters.postgres import migrate

        await migrate.upgrade(url)
