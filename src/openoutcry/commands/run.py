"""`outcry run`: one role in this process."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from openoutcry import config, logs
from openoutcry.errors import OutcryError
from openoutcry.wiring.roles import run_role


def run(role: str) -> None:
    """Run the role until SIGTERM or SIGINT."""
    settings = config.load()
    logs.configure(settings.log_level, settings.log_format)
    try:
        uvloop.run(_run(role, settings))
    except BaseExceptionGroup as group:
        # What stopped the role is what its reader wants to know, not which tasks it ran beside.
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if isinstance(first, OutcryError):
            raise first from group
        raise


async def _run(role: str, settings: config.Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await run_role(role, settings, stop)
