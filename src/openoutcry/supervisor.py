"""Runs engines and roles as child processes: starts, watches, restarts and stops them in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from msgspec import Struct, structs

from openoutcry.config import Settings, to_environment
from openoutcry.core.backoff import Backoff
from openoutcry.engines import Engine, Engines, die_with_parent
from openoutcry.errors import EngineError

# Trades stop arriving, then what has arrived is stored, then nobody is left to be told.
STOP_ORDER = (
    ("feed", "indexer"),
    ("recorder", "migrate"),
    ("trader",),
    ("hub", "api", "sandbox", "chain"),
)
GRACE_SECONDS = 3.0
USAGE_EXIT = 2
"""Exit code of a role that was asked for something impossible: trying again will not help."""

_ENGINE_CHECK_SECONDS = 0.25
_HEALTHY_SECONDS = 60.0
_KEEP_LOG_BYTES = 16 << 20
_LONGEST_LINE = 1 << 20


class State(StrEnum):
    """What a child is doing."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    DONE = "done"
    STOPPED = "stopped"
    REFUSED = "refused"


class Child(Struct):
    """What there is to know about one role or engine; `since` is on the monotonic clock."""

    name: str
    state: State = State.STARTING
    pid: int | None = None
    restarts: int = 0
    since: float = 0.0
    last_line: str = ""


class Process(Protocol):
    """A role's process, whoever its parent is; `returncode` is None while it lives."""

    @property
    def pid(self) -> int:
        """The process id, which may belong to somebody else once it has ended."""
        ...

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal if it was killed."""
        ...

    async def wait(self) -> int:
        """Return its exit code, minus the signal if it was killed."""
        ...


Start = Callable[[str, Mapping[str, str], int], Awaitable[Process]]
"""Start a role with more environment than ours; its output goes to the descriptor."""


def restarts() -> Backoff:
    """Return the pauses between restarts."""
    return Backoff(0.5, 30.0, jitter=0.0)


def role_command(role: str) -> list[str]:
    """Return the command line of a role's process."""
    return [sys.executable, "-m", "openoutcry", "run", role]


def spawner(command: Callable[[str], list[str]] = role_command) -> Start:
    """Return what starts each role as a program of its own."""

    async def start(role: str, environment: Mapping[str, str], output: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *command(role),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Lines have to leave a child when they are written, not when its buffer is full.
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            # Its own session: a terminal's Ctrl-C reaches only us, and we stop things in order.
            start_new_session=True,
            # The engines end with us too: there is nothing left that a role could end well with.
            preexec_fn=die_with_parent(signal.SIGKILL),
        )

    return start


class Supervisor:
    """One `outcry up`: the engines, the migration of the schema, and one process per role.

    `say(name, line)` is told every line that a child prints, and under the name `outcry` what we
    do. Children know the settings from their environment. `run` may be called once.
    """

    def __init__(
        self,
        settings: Settings,
        engines: Engines,
        roles: Sequence[str],
        logs: Path,
        say: Callable[[str, str], None],
        *,
        start: Start | None = None,
        backoff: Callable[[], Backoff] = restarts,
    ) -> None:
        names = [*(engine.name for engine in engines.ours), "migrate", *roles]
        self.children = {name: Child(name, since=time.monotonic()) for name in names}
        self._engines = engines
        self._services = tuple(roles)
        self._failure: EngineError | None = None
        self._logs = logs
        self._say = say
        self._start = start or spawner()
        self._backoff = backoff
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._processes: dict[str, Process] = {}
        known = structs.replace(
            settings, database_url=engines.database_url, valkey_url=engines.valkey_url
        )
        self._environment = to_environment(known)

    def stop(self) -> None:
        """Stop in order; asked a second time, at once."""
        if self._stop.is_set():
            self._force.set()
        self._stop.set()

    async def run(self) -> None:
        """Start everything, and return when all of it has ended. Raises EngineError.

        The roles start first and wait for the engines by themselves: importing takes them about as
        long as the engines take to start.
        """
        tasks = [
            asyncio.create_task(self._watch_role(name)) for name in ("migrate", *self._services)
        ]
        try:
            await asyncio.sleep(0)
            await self._launch()
            tasks += [asyncio.create_task(self._watch_engine(each)) for each in self._engines.ours]
            await self._stop.wait()
        finally:
            self._stop.set()
            await self._stop_roles()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._say("outcry", "stopping the engines")
            await self._engines.stop(2.0 if self._force.is_set() else 30.0)
            for child in self.children.values():
                child.pid, child.state = None, State.STOPPED
        if self._failure:
            raise self._failure

    async def _launch(self) -> None:
        launch = asyncio.create_task(self._engines.launch())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({launch, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not launch.done():
            launch.cancel()
            await asyncio.gather(launch, return_exceptions=True)
            return
        await launch
        for engine in self._engines.ours:
            self._note(engine.name, State.RUNNING, engine.pid)

    async def _watch_engine(self, engine: Engine) -> None:
        backoff, born = self._backoff(), time.monotonic()
        while not self._stop.is_set():
            if engine.running:
                await self._sleep(_ENGINE_CHECK_SECONDS)
                continue
            seconds = pause(backoff, time.monotonic() - born)
            self._note(engine.name, State.RESTARTING)
            self.children[engine.name].restarts += 1
            self._say("outcry", f"{engine.name} has died; starting it again in {seconds:g} s")
            await self._sleep(seconds)
            if self._stop.is_set():
                return
            born = time.monotonic()
            try:
                await engine.start()
            except EngineError as error:
                self._say("outcry", str(error))
            else:
                self._note(engine.name, State.RUNNING, engine.pid)
                self._say("outcry", f"{engine.name} is back")

    async def _watch_role(self, name: str) -> None:
        child, backoff = self.children[name], self._backoff()
        while not self._stop.is_set():
            born = time.monotonic()
            code = await self._live(name)
            if self._stop.is_set():
                return
            if code == 0 and name == "migrate":
                self._note(name, State.DONE)
                return
            if code == USAGE_EXIT:
                self._note(name, State.REFUSED)
                self._say("outcry", f"{name} cannot run: {child.last_line}")
                if all(self.children[each].state is State.REFUSED for each in self._services):
                    self._failure = EngineError("No role can run; see above.")
                    self._stop.set()
                return
            seconds = pause(backoff, time.monotonic() - born)
            child.restarts += 1
            self._note(name, State.RESTARTING)
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._say("outcry", f"{name} has ended ({why}); starting it again in {seconds:g} s")
            await self._sleep(seconds)

    async def _live(self, name: str) -> int:
        """Run a role's process to its end; return its exit code, minus the signal if killed."""
        reading, writing = os.pipe()
        try:
            process = await self._start(name, self._environment, writing)
        except BaseException as error:
            os.close(reading)
            if not isinstance(error, EngineError):
                raise
            self._say("outcry", str(error))
            return 1
        finally:
            os.close(writing)
        self._processes[name] = process
        self._note(name, State.RUNNING, process.pid)
        lines = asyncio.create_task(self._collect(name, reading))
        try:
            code = await process.wait()
            # A worker of its own may hold the pipe open for longer; it is not waited for.
            await asyncio.wait({lines}, timeout=0.5)
        finally:
            self._signal(name, signal.SIGKILL)
            lines.cancel()
        return code

    async def _collect(self, name: str, output: int) -> None:
        stream = asyncio.StreamReader(limit=_LONGEST_LINE)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", buffering=0)
        )
        try:
            await self._write_down(name, stream)
        finally:
            transport.close()

    async def _write_down(self, name: str, stream: asyncio.StreamReader) -> None:
        path = self._logs / f"{name}.log"
        if path.exists() and path.stat().st_size > _KEEP_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab", buffering=0) as log:
            while True:
                try:
                    line = await stream.readline()
                except ValueError:  # longer than the limit: dropped, not worth dying for
                    continue
                if not line:
                    return
                log.write(line)
                text = line.decode(errors="replace").rstrip()
                if text:
                    self.children[name].last_line = text
                    self._say(name, text)

    async def _stop_roles(self) -> None:
        for group in STOP_ORDER:
            living = [name for name in group if self._alive(name)]
            if not living:
                continue
            self._say("outcry", f"stopping {', '.join(living)}")
            for name in living:
                self._signal(name, signal.SIGTERM, group=False)
            deadline = time.monotonic() + GRACE_SECONDS
            while any(self._alive(name) for name in living):
                if self._force.is_set() or time.monotonic() > deadline:
                    for name in living:
                        self._signal(name, signal.SIGKILL)
                await asyncio.sleep(0.01)

    def _alive(self, name: str) -> bool:
        process = self._processes.get(name)
        return process is not None and process.returncode is None

    def _signal(self, name: str, signum: int, *, group: bool = True) -> None:
        process = self._processes[name]
        with suppress(ProcessLookupError):
            if group:  # the role's own workers too
                os.killpg(process.pid, signum)
            elif process.returncode is None:
                os.kill(process.pid, signum)

    def _note(self, name: str, state: State, pid: int | None = None) -> None:
        child = self.children[name]
        child.state, child.pid, child.since = state, pid, time.monotonic()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


def pause(backoff: Backoff, lived: float) -> float:
    """Return the seconds to wait after a life of `lived` seconds; a long one was a good one."""
    if lived >= _HEALTHY_SECONDS:
        backoff.reset()
    return backoff.next()
