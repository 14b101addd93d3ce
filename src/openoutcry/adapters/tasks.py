"""Ending background tasks for sure, and sleeping no longer than there is a reason to."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

_PATIENCE: Final = 0.2


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks until they have ended: a driver that is just connecting may swallow it once."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_PATIENCE)
    for task in tasks:
        if not task.cancelled():
            task.exception()


async def sleep(seconds: float, stop: asyncio.Event) -> None:
    """Sleep for `seconds`, or less if `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
