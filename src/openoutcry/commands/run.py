"""`outcry run`: one role in this process."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from openoutcry import config, logs, wiring


def run(role: str) -> None:
    """Run the role until SIGTERM or SIGINT."""
    settings = config.load()
    logs.configure(settings.log_level, settings.log_format)
    uvloop.run(_run(role, settings))


async def _run(role: str, settings: config.Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await wiring.run_role(role, settings, stop)
