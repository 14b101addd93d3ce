"""Waits until PostgreSQL answers and has the schema that this version works with."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import asyncpg

from openoutcry.adapters.tasks import sleep
from openoutcry.errors import ConfigError

VERSIONS = Path(__file__).parent.parent.parent / "migrations" / "versions"
# A start takes seconds and everybody waits for it, so nobody may oversleep; an outage takes longer.
_START_SECONDS = 10.0
_START_PAUSE = 0.05
_OUTAGE_PAUSE = 1.0


def known_revisions() -> list[str]:
    """Return the schema revisions that this version knows, oldest first.

    Read off the files' names, which start with the revision: importing Alembic to ask costs every
    role 0.3 s and 15 MB.
    """
    names = sorted(path.name for path in VERSIONS.glob("[0-9]*_*.py"))
    return [match[0] for name in names if (match := re.match(r"\d+", name))]


def newest_revision() -> str:
    """Return the schema revision that this version works with."""
    return known_revisions()[-1]


async def wait_until_up(url: str, stop: asyncio.Event) -> bool:
    """Return True once PostgreSQL answers, False when `stop` is set before; never gives up."""
    began = time.monotonic()
    while not stop.is_set():
        if await answers(url):
            return True
        await sleep(pause(time.monotonic() - began), stop)
    return False


async def wait_until_migrated(url: str, stop: asyncio.Event) -> bool:
    """Return True once the schema is the newest known one, False when `stop` is set before.

    Tries for ever, with pauses up to a second. Raises ConfigError if the database was migrated by
    a later version than this one.
    """
    began = time.monotonic()
    known = known_revisions()
    while not stop.is_set():
        found = await revision(url)
        if found == known[-1]:
            return True
        if found and found not in known:
            raise ConfigError(
                f"The database is at revision {found}, later than {known[-1]}, the last one that "
                "this version of OpenOutcry knows. Install the later version."
            )
        await sleep(pause(time.monotonic() - began), stop)
    return False


def pause(waited: float) -> float:
    """Return how long to sleep before asking again, after `waited` seconds of asking."""
    return _START_PAUSE if waited < _START_SECONDS else _OUTAGE_PAUSE


async def revision(url: str) -> str | None:
    """Return the revision of the schema; None if there is none or the database does not answer."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return None
    try:
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.PostgresError:
        return None
    else:
        return str(found) if found is not None else None
    finally:
        await connection.close(timeout=5)


async def answers(url: str) -> bool:
    """Return whether PostgreSQL takes connections just now."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close(timeout=5)
    return True
