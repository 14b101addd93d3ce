"""A role by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Final

from openoutcry.config import Settings
from openoutcry.errors import ConfigError

ROLES: Final = (
    *("migrate", "feed", "recorder", "api", "hub", "trader", "indexer"),
    *("sandbox", "chain"),
)
"""Each is a module beside this one, with a function `run`."""

Run = Callable[[Settings, asyncio.Event], Awaitable[None]]


async def run_role(role: str, settings: Settings, stop: asyncio.Event) -> None:
    """Run one role until `stop` is set or it fails. Raises ConfigError for a role unknown here.

    The role starts when the engines answer and the schema is there: who starts first matters not.
    """
    if role not in ROLES:
        raise ConfigError(f"There is no role {role!r}. The roles are: {', '.join(ROLES)}.")
    run: Run = import_module(f"openoutcry.wiring.{role}").run
    await run(settings, stop)
