"""The nursery: one process that has imported what the roles need, and forks each of them.

A role that starts by itself spends about a second of processor time on imports; five of them on two
cores spend three. The nursery imports once, so a role is there a few milliseconds after it is asked
for, and all of them share the memory. This module is the supervisor's end of it; the process itself
is `openoutcry.commands.nursery`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from itertools import count

import msgspec
from msgspec import Struct

from openoutcry.engines import die_with_parent
from openoutcry.errors import EngineError

LONGEST_MESSAGE = 1 << 17
"""Bytes of the longest message: an order carries the settings of a role."""


class Order(Struct, frozen=True):
    """Supervisor to nursery: fork this role. The descriptor of its output travels along."""

    number: int
    role: str
    environment: dict[str, str]


class Notice(Struct, frozen=True):
    """Nursery to supervisor: order `number` is process `pid`; with a `code`, it has ended."""

    number: int
    pid: int
    code: int | None = None


class Ward(Struct):
    """A role that the nursery has forked; `returncode` is None while it lives."""

    pid: int
    ended: asyncio.Event
    returncode: int | None = None

    async def wait(self) -> int:
        """Return its exit code, minus the signal if it was killed."""
        await self.ended.wait()
        assert self.returncode is not None  # noqa: S101 - `_end` sets both
        return self.returncode


def supported() -> bool:
    """Return whether roles are forked on this system; elsewhere each is a process of its own.

    Linux only: elsewhere a fork is not safe after system libraries were loaded, and children cannot
    be told of the death of their parent.
    """
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class Nursery:
    """A nursery process that is started when it is needed, and again when it has died.

    Should it die, the kernel kills its roles with it, and each is reported as killed.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._born: dict[int, asyncio.Future[Ward]] = {}
        self._wards: dict[int, Ward] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the nursery while it is there."""
        return self._process.pid if self._process else None

    def open(self) -> None:
        """Start the process if there is none; it needs no loop, so that it can begin early.

        Call it from the main thread: the process dies with the thread that started it.
        """
        if self._process is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "openoutcry.commands.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # One thread is all that a fork carries over: numpy is to start none.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                # A terminal's Ctrl-C reaches only the supervisor, which stops things in order.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one system call
            )
        self._line = ours

    async def start(self, role: str, environment: Mapping[str, str], output: int) -> Ward:
        """Fork a role that writes to the descriptor `output`. Raises EngineError if it cannot."""
        self.open()
        assert self._line is not None  # noqa: S101 - `open` sets it
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._line, self._hear)
        number = next(self._numbers)
        born = self._born[number] = self._loop.create_future()
        try:
            order = msgspec.json.encode(Order(number, role, dict(environment)))
            socket.send_fds(self._line, [order], [output])
            ward: Ward = await born
        except OSError as error:
            del self._born[number]  # this error says it
            self._lose()
            raise EngineError(f"The nursery cannot start {role}: {error.strerror}") from error
        else:
            return ward
        finally:
            self._born.pop(number, None)

    def close(self) -> None:
        """End the process, and with it every role that is still there."""
        self._lose()

    def _hear(self) -> None:
        assert self._line is not None  # noqa: S101 - it is what is read
        while self._line is not None:
            try:
                message = self._line.recv(LONGEST_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._lose()
                return
            self._note(msgspec.json.decode(message, type=Notice))

    def _note(self, notice: Notice) -> None:
        if notice.code is not None:
            if ward := self._wards.pop(notice.number, None):
                _end(ward, notice.code)
            return
        ward = self._wards[notice.number] = Ward(notice.pid, asyncio.Event())
        born = self._born.get(notice.number)
        if born is not None and not born.done():
            born.set_result(ward)
        else:  # whoever asked has gone meanwhile
            with suppress(ProcessLookupError):
                os.kill(notice.pid, signal.SIGKILL)

    def _lose(self) -> None:
        if self._line is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._line)
            self._line.close()
            self._line = self._loop = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for ward in self._wards.values():
            _end(ward, -signal.SIGKILL)
        self._wards.clear()
        for born in self._born.values():
            if not born.done():
                born.set_exception(EngineError("The nursery has died."))


def _end(ward: Ward, code: int) -> None:
    ward.returncode = code
    ward.ended.set()
