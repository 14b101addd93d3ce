"""The composition root: for each role, the objects it is made of, built and run.

Nothing heavier than the settings is imported before a role is known, so that a feed does not carry
a web server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from openoutcry.config import Settings
from openoutcry.errors import ConfigError

Builder = Callable[[Settings, asyncio.Event], Awaitable[None]]


async def run_role(role: str, settings: Settings, stop: asyncio.Event) -> None:
    """Run one role until `stop` is set or it fails. Raises ConfigError for a role unknown here.

    The role starts when the engines answer and the schema is there: who starts first matters not.
    """
    builder = ROLES.get(role)
    if builder is None:
        raise ConfigError(f"There is no role {role!r}. The roles are: {', '.join(ROLES)}.")
    await builder(settings, stop)


async def _feed(settings: Settings, stop: asyncio.Event) -> None:
    module = _part("openoutcry.services.feed", "feed")
    if await _engines_answer(settings, stop):
        await module.run(settings, stop)


async def _recorder(settings: Settings, stop: asyncio.Event) -> None:
    module = _part("openoutcry.services.recorder", "recorder")
    if await _engines_answer(settings, stop):
        await module.run(settings, stop)


async def _api(settings: Settings, stop: asyncio.Event) -> None:
    module = _part("openoutcry.web.api.server", "api")
    if await _engines_answer(settings, stop):
        await module.serve(settings, stop)


async def _hub(settings: Settings, stop: asyncio.Event) -> None:
    module = _part("openoutcry.web.hub.server", "hub")
    if await _engines_answer(settings, stop):
        await module.serve(settings, stop)


async def _sandbox(settings: Settings, stop: asyncio.Event) -> None:
    """Run the sandbox exchange, which needs no engine."""
    module = _part("openoutcry.sandbox.server", "sandbox")
    await module.serve(settings, stop)


async def _migrate(settings: Settings, stop: asyncio.Event) -> None:
    """Bring the schema up to date once PostgreSQL answers, and return."""
    from openoutcry.adapters.postgres import readiness

    url = _engine_url(settings, "database_url")
    if not await readiness.wait_until_up(url, stop):
        return
    if await readiness.revision(url) != readiness.known_revisions()[-1]:
        # Almost a second of imports, which most starts can do without.
        from openoutcry.adapters.postgres import migrate

        await migrate.upgrade(url)


ROLES: dict[str, Builder] = {
    "migrate": _migrate,
    "feed": _feed,
    "recorder": _recorder,
    "api": _api,
    "hub": _hub,
    "sandbox": _sandbox,
}


async def import_files(settings: Settings, files: list[str], symbol: str) -> None:
    """Put recorded trades or klines from files into the store."""
    module = _part("openoutcry.services.importer", "import")
    await module.run(settings, files, symbol)


async def fill_gaps(settings: Settings, symbol: str | None) -> None:
    """Fetch what the gap ledger says is missing, once."""
    module = _part("openoutcry.services.gap_filler", "gap filler")
    await module.run_once(settings, symbol)


async def _engines_answer(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for both engines; False if `stop` comes first."""
    from openoutcry.adapters.postgres.readiness import wait_until_migrated
    from openoutcry.adapters.valkey.readiness import wait_until_up

    valkey_url = _engine_url(settings, "valkey_url")
    database_url = _engine_url(settings, "database_url")
    return await wait_until_up(valkey_url, stop) and await wait_until_migrated(database_url, stop)


def _engine_url(settings: Settings, name: str) -> str:
    url: str = getattr(settings, name)
    if not url:
        raise ConfigError(
            f"{name} is not set. A role on its own needs running engines: set "
            f"OUTCRY_{name.upper()}, or let `outcry up` start everything."
        )
    return url


def _part(module: str, role: str) -> ModuleType:
    """Import the module of a role. Raises ConfigError if this build comes without it."""
    parent = module.rpartition(".")[0]
    if find_spec(parent) is None or find_spec(module) is None:
        raise ConfigError(f"role {role} is not part of this build")
    return import_module(module)
