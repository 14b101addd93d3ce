"""The nursery: roles forked, ended and outlived, and nothing in it that a fork could break."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from openoutcry.config import Settings, to_environment
from openoutcry.nursery import Nursery, Ward, supported

pytestmark = pytest.mark.skipif(not supported(), reason="roles are forked on Linux only")
SOURCE = Path(__file__).parent.parent / "src"


class Nest:
    """A nursery, and where the roles in it listen and write."""

    def __init__(self, output: Path, ports: list[int]) -> None:
        self.nursery = Nursery()
        self.output = output
        self._settings = Settings(sandbox_port=ports[0], sandbox_ws_port=ports[1])

    async def start(self, role: str) -> Ward:
        with self.output.open("ab") as output:
            environment = to_environment(self._settings)
            return await self.nursery.start(role, environment, output.fileno())

    async def serving(self) -> Ward:
        """Start the one role that needs no engine; return once it serves."""
        ward = await self.start("sandbox")
        async with asyncio.timeout(20):
            while not await _listens(self._settings.sandbox_port):
                await asyncio.sleep(0.02)
        return ward


@pytest.fixture
async def nest(
    tmp_path: Path, free_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Nest]:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    found = Nest(tmp_path / "output", free_ports(2))
    yield found
    found.nursery.close()


async def test_a_role_lives_and_ends(nest: Nest) -> None:
    """A forked role has its own session, its name in the process list, and ends with its own code."""
    ward = await nest.serving()
    process = psutil.Process(ward.pid)
    assert " ".join(process.cmdline()).strip() == "outcry run sandbox"
    assert process.name() == "outcry sandbox"
    assert process.ppid() == nest.nursery.pid
    assert os.getsid(ward.pid) == ward.pid
    os.kill(ward.pid, signal.SIGTERM)
    assert await asyncio.wait_for(ward.wait(), 30) == 0


async def test_a_refusal_is_told(nest: Nest) -> None:
    """What a role says goes to its own output, and exit code 2 says that asking again is no use."""
    ward = await nest.start("poet")
    assert await asyncio.wait_for(ward.wait(), 20) == 2
    assert nest.output.read_text().startswith("Error: There is no role 'poet'.")


async def test_a_dead_role_leaves_the_nursery(nest: Nest) -> None:
    """A role killed with -9 is reported as that, and the same nursery bears the next one."""
    ward = await nest.serving()
    nursery = nest.nursery.pid
    os.kill(ward.pid, signal.SIGKILL)
    assert await asyncio.wait_for(ward.wait(), 30) == -9
    again = await nest.serving()
    assert nest.nursery.pid == nursery
    assert again.pid != ward.pid


async def test_nothing_to_break_in_a_fork(nest: Nest) -> None:
    """Whatever was imported: one thread, one socket, and a role inherits neither it nor others'."""
    ward = await nest.serving()
    other = await nest.start("sandbox")
    nursery = psutil.Process(nest.nursery.pid)
    assert nursery.num_threads() == 1
    sockets = {each for each in _open_files(nursery.pid) if "socket" in each}
    assert len(sockets) == 1
    assert not any("eventpoll" in each for each in _open_files(nursery.pid))
    assert not sockets & set(_open_files(ward.pid))
    assert other.pid != ward.pid


async def test_a_dead_nursery_is_replaced(nest: Nest) -> None:
    """Its roles die with it and are reported; the next start brings a new nursery."""
    ward = await nest.serving()
    first = nest.nursery.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert await asyncio.wait_for(ward.wait(), 30) == -9
    again = await nest.serving()
    assert nest.nursery.pid not in {None, first}
    assert again.returncode is None


async def test_a_nursery_that_cannot_be(nest: Nest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A nursery that dies at once is an error that the supervisor can tell, not a wait for ever."""
    from openoutcry.errors import EngineError

    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="nursery"):
        await asyncio.wait_for(nest.start("sandbox"), 30)


def _open_files(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return [str(each.readlink()) for each in folder.iterdir()]


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
