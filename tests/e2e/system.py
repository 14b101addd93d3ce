"""The whole system for a test: own engines, each role a real process that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.request import Request, urlopen

from openoutcry import engines
from openoutcry.config import Settings, to_environment
from openoutcry.engines import Engines
from openoutcry.nursery import supported

from .roles import Forked, Process, spawn

ALL_ROLES = ("sandbox", "feed", "recorder", "hub", "api")

T = TypeVar("T")


class System:
    """Roles as child processes over temporary engines. Use as an async context manager.

    With the URL of a Valkey only PostgreSQL is started. Roles are forked, as `outcry up` does it
    where it can; `apart` has each be a program of its own, as in containers.
    """

    def __init__(
        self, settings: Settings, folder: Path, *, valkey_url: str = "", apart: bool = False
    ) -> None:
        self._settings = settings
        self._valkey_url = valkey_url
        self._start = spawn if apart or not supported() else Forked
        self.folder = folder
        self._processes: dict[str, Process] = {}
        self.engines: Engines

    async def __aenter__(self) -> Self:
        from openoutcry.adapters.postgres import migrate

        self.engines = await engines.start(temporary=True, valkey_url=self._valkey_url)
        await migrate.upgrade(self.engines.database_url)
        return self

    async def __aexit__(self, *_: object) -> None:
        for role in list(self._processes):
            self.kill(role, signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(20)
            except (TimeoutError, subprocess.TimeoutExpired):
                process.send_signal(signal.SIGKILL)
        await self.engines.stop()

    @property
    def database_url(self) -> str:
        return self.engines.database_url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._settings.port}"

    @property
    def hub_url(self) -> str:
        return f"ws://127.0.0.1:{self._settings.ws_port}"

    @property
    def sandbox_port(self) -> int:
        return self._settings.sandbox_port

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that belongs to the system."""
        settings = to_environment(self._settings)
        settings["OUTCRY_DATABASE_URL"] = self.engines.database_url
        settings["OUTCRY_VALKEY_URL"] = self.engines.valkey_url
        return os.environ | settings

    def start(self, *roles: str) -> None:
        """Start roles; their output goes to `<role>.log` in the test's folder.

        A number behind a role's name (trader2) makes it another process of the same role.
        """
        environment = self.environment()
        for role in roles:
            name = role.rstrip("0123456789")
            self._processes[role] = self._start(name, environment, self.folder / f"{role}.log")

    def kill(self, role: str, signum: int = signal.SIGKILL) -> None:
        """Send a signal to a role, by default the one that it cannot notice."""
        process = self._processes[role]
        if process.poll() is None:
            process.send_signal(signum)
            if signum == signal.SIGKILL:
                process.wait()

    def restart(self, role: str) -> None:
        """Kill a role without warning and start it again."""
        self.kill(role)
        self.start(role)

    def log(self, role: str) -> str:
        return (self.folder / f"{role}.log").read_text(errors="replace")

    def get(self, path: str) -> Any:
        """Return the JSON of the API at `path`."""
        return fetch(self.url + path)

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of the sandbox exchange's REST or control port at `path`."""
        return fetch(f"http://127.0.0.1:{self._settings.sandbox_port}{path}", method, body)


def wait(work: Callable[[], Awaitable[T]]) -> T:
    """Run async work from a synchronous fixture or test."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()


@contextmanager
def shared(settings: Settings, folder: Path) -> Iterator[System]:
    """Run a system that several tests share; no role of it is started yet."""
    system = System(settings, folder)
    wait(system.__aenter__)
    try:
        yield system
    finally:
        wait(system.__aexit__)


def fetch(url: str, method: str = "GET", body: Any = None, *, token: str | None = None) -> Any:
    """Return the JSON that a URL answers, to somebody who has signed in if there is a token."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = Request(url, data, headers, method=method)
    with urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


async def eventually(what: str, check: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """Return the first true value of `check`; fails with the last thing seen after `seconds`."""
    deadline = time.monotonic() + seconds
    seen: Any = None
    while time.monotonic() < deadline:
        try:
            seen = await check()
        except (OSError, ValueError) as error:
            seen = error
        else:
            if seen:
                return seen
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}; last seen: {seen!r}")
