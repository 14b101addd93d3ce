"""The supervisor: children restarted, stopped in order, forced, and engines brought back."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from openoutcry import engines as engines_module
from openoutcry import supervisor
from openoutcry.config import Settings
from openoutcry.core.backoff import Backoff
from openoutcry.engines import Engines
from openoutcry.errors import EngineError
from openoutcry.supervisor import State, Supervisor, pause, restarts, spawner

# A role that says when it starts and when it is told to stop.
ROLE = """
import os, signal, sys, time
name = sys.argv[1]
def stop(*_):
    if name == "recorder":
        time.sleep(0.3)
    print(f"{name} stops", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
if name == "sandbox":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(f"{name} up", os.environ["OUTCRY_PORT"], os.environ["OUTCRY_DATABASE_URL"][:10], flush=True)
if name == "migrate":
    sys.exit(0)
if name == "hub":
    sys.exit(2)
while True:
    time.sleep(0.05)
"""


class Run:
    """A supervisor at work, and everything it has said."""

    def __init__(self, engines: Engines, roles: tuple[str, ...], logs: Path) -> None:
        self.said: list[tuple[str, str]] = []
        self.supervisor = Supervisor(
            Settings(port=4321),
            engines,
            roles,
            logs,
            lambda name, line: self.said.append((name, line)),
            start=spawner(lambda role: [sys.executable, "-c", ROLE, role]),
            backoff=lambda: Backoff(0.01, 0.05, jitter=0.0),
        )

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.01)

    def lines(self, ending: str) -> list[str]:
        """Return what was said with a certain ending, in order."""
        return [line for _, line in self.said if line.endswith(ending)]


@asynccontextmanager
async def running(
    roles: tuple[str, ...], logs: Path, engines: Engines | None = None
) -> AsyncIterator[Run]:
    nowhere = Engines(database_url="postgresql://x/y", valkey_url="redis://z")
    run = Run(engines or nowhere, roles, logs)
    task = asyncio.create_task(run.supervisor.run())
    yield run
    run.supervisor.stop()
    await asyncio.wait_for(task, 20)


async def test_roles_start_and_stop_in_order(tmp_path: Path) -> None:
    """The feed stops first, the recorder has time to drain, then the rest; logs are collected."""
    async with running(("api", "recorder", "feed"), tmp_path) as run:
        await run.until(lambda: len(run.lines("postgresql")) == 4)
        children = run.supervisor.children
        await run.until(lambda: children["migrate"].state is State.DONE)
        assert children["feed"].pid
    assert run.lines(" stops") == ["feed stops", "recorder stops", "api stops"]
    assert (tmp_path / "feed.log").read_text() == "feed up 4321 postgresql\nfeed stops\n"
    assert all(child.state is State.STOPPED for child in children.values())


async def test_a_dead_role_comes_back(tmp_path: Path) -> None:
    """A role killed with -9 is started again and counted."""
    async with running(("feed",), tmp_path) as run:
        await run.until(lambda: len(run.lines("postgresql")) == 2)
        child = run.supervisor.children["feed"]
        first = child.pid
        assert first is not None
        os.kill(first, 9)
        await run.until(lambda: child.restarts == 1 and child.pid not in {None, first})
    assert ("outcry", "feed has ended (signal 9); starting it again in 0.01 s") in run.said


async def test_a_refusal_is_final(tmp_path: Path) -> None:
    """A role that says it was asked for the impossible is not tried again."""
    async with running(("hub", "feed"), tmp_path) as run:
        await run.until(lambda: run.supervisor.children["hub"].state is State.REFUSED)
        await asyncio.sleep(0.2)
        assert run.supervisor.children["hub"].restarts == 0


async def test_second_stop_forces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that does not obey has its time to end, and is killed at once when we are asked twice."""
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 3600.0)
    async with running(("sandbox",), tmp_path) as run:
        await run.until(lambda: len(run.lines("postgresql")) == 2)
        run.supervisor.stop()
        await run.until(lambda: ("outcry", "stopping sandbox") in run.said)
        await asyncio.sleep(0.1)
        child = run.supervisor.children["sandbox"]
        assert child.pid is not None
        assert child.state is State.RUNNING
        os.kill(child.pid, 0)
        run.supervisor.stop()
        await run.until(lambda: child.state is State.STOPPED)


async def test_a_dead_engine_comes_back(tmp_path: Path) -> None:
    """An engine that dies is started again on the same data and the same socket."""
    prepared = engines_module.prepare(temporary=True)
    async with running(("feed",), tmp_path, prepared) as run:
        children = run.supervisor.children
        await run.until(lambda: all(children[one.name].pid for one in prepared.ours))
        prepared.kill_postgres()
        prepared.kill_valkey()
        await run.until(lambda: len(run.lines("is back")) == 2)
        connection = await asyncpg.connect(prepared.database_url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    assert not any(engine.running for engine in prepared.ours)


def test_backoff_doubles_and_resets() -> None:
    """Pauses double up to the cap, exactly; a life of a minute starts from the beginning."""
    backoff = restarts()
    assert [pause(backoff, 1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pause(backoff, 61) == 0.5
    assert pause(backoff, 1) == 1


@pytest.mark.parametrize("roles", [("hub",)])
async def test_nothing_to_run_is_an_error(tmp_path: Path, roles: tuple[str, ...]) -> None:
    """When every role refuses, the supervisor stops and says so."""
    nowhere = Engines(database_url="postgresql://x/y", valkey_url="redis://z")
    with pytest.raises(EngineError, match="No role can run"):
        await Run(nowhere, roles, tmp_path).supervisor.run()
