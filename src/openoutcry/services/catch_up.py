"""Telling how catching up with a chain goes: every ten seconds in the log, or on a bar."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from openoutcry.adapters.tasks import sleep
from openoutcry.core.chain.steps import Progress

log = structlog.get_logger(__name__)

FAR: Final = 100
"""Blocks that are worth telling of; fewer are there in a moment."""

_LOOK_SECONDS: Final = 0.5
_LINE_SECONDS: Final = 10.0


class Teller(Protocol):
    """Shows how far it has come; called twice a second while there is much to do."""

    def tell(self, progress: Progress, eta: float | None) -> None:
        """Show `progress`; `eta` is in seconds, None if nobody knows."""

    def done(self, progress: Progress, seconds: float) -> None:
        """It has caught up, after so many seconds."""


class Lines:
    """Tells in the log, a line every ten seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def tell(self, progress: Progress, eta: float | None) -> None:
        """Write a line if it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_SECONDS
        log.info(
            "catching up with the chain",
            block=progress.number, of=progress.target, percent=round(percent(progress), 1),
            blocks_at_once=progress.span, time_left=length(eta),
        )  # fmt: skip

    def done(self, progress: Progress, seconds: float) -> None:
        """Write that it is over."""
        self._next = 0.0
        log.info("caught up with the chain", block=progress.number, after=length(seconds))


async def watch(
    look: Callable[[], Progress | None],
    teller: Teller,
    stop: asyncio.Event,
    every: float = _LOOK_SECONDS,
) -> None:
    """Tell, until `stop`, whenever FAR blocks or more are left, until none is.

    `look` returns how far it has come, None while nobody is at it.
    """
    began: float | None = None
    while not stop.is_set():
        progress, now = look(), time.monotonic()
        if progress is not None:
            left = progress.target - progress.number
            if began is None and left >= FAR:
                began = now
            if began is not None and left > 0:
                teller.tell(progress, progress.eta(now))
            elif began is not None:
                teller.done(progress, now - began)
                began = None
        await sleep(every, stop)


def percent(progress: Progress) -> float:
    """Return how much of the way is done."""
    whole = progress.target - progress.first
    return 100.0 * (progress.number - progress.first) / whole if whole > 0 else 100.0


def length(seconds: float | None) -> str:
    """Return a length of time for people: 42s, 3m 20s, 5h 07m; ? if nobody knows."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"
