"""Starts the roles of a test's system: forked from a nursery as by `outcry up`, or each by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Protocol

from openoutcry.nursery import Nursery, Ward


class Process(Protocol):
    """What tests ask of a role's process; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int:
        """The process id."""
        ...

    def poll(self) -> int | None:
        """Return the exit code, None while it lives."""
        ...

    def send_signal(self, sig: int) -> None:
        """Send it a signal."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended. Raises if that takes longer."""
        ...


class Forked:
    """A role that the nursery forks; starting it does not wait until the nursery can."""

    def __init__(self, role: str, environment: Mapping[str, str], log: Path) -> None:
        self._loop, nursery = _nursery()

        async def start() -> Ward:
            with log.open("ab") as output:
                return await nursery.start(role, environment, output.fileno())

        self._born = asyncio.run_coroutine_threadsafe(start(), self._loop)

    @property
    def pid(self) -> int:
        return self._ward.pid

    def poll(self) -> int | None:
        return self._ward.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def wait(self, timeout: float | None = None) -> int:
        ended = asyncio.run_coroutine_threadsafe(self._ward.wait(), self._loop)
        return ended.result(timeout)

    @property
    def _ward(self) -> Ward:
        return self._born.result(60)


def spawn(role: str, environment: Mapping[str, str], log: Path) -> Process:
    """Start a role as a program of its own, as in a container: it imports everything by itself."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "openoutcry", "run", role],
            env=environment,
            stdout=output,
            stderr=output,
            cwd=log.parent,
        )


@cache
def _nursery() -> tuple[asyncio.AbstractEventLoop, Nursery]:
    """Return the nursery of this process, in a thread that lives as long: it would end with it."""
    loop, nursery = asyncio.new_event_loop(), Nursery()

    def live() -> None:
        asyncio.set_event_loop(loop)
        nursery.open()
        loop.run_forever()

    Thread(target=live, name="nursery", daemon=True).start()
    return loop, nursery
