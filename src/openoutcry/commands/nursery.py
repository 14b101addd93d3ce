"""The nursery's process: imports what the roles need, then forks them as it is told.

It has no thread, no loop and no socket but the one to the supervisor, so that nothing can be half
way when it forks. It ends when the supervisor does, and its roles end when it does.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

import msgspec

from openoutcry.engines import die_with_parent
from openoutcry.nursery import LONGEST_MESSAGE, Notice, Order

# What each role can be forked after, in the order of import. The schema comes first: on a fresh
# directory everybody waits for it, and it has a second of imports of its own (Alembic) to do. The
# API has the most to build; the rest is quick once it may begin.
STAGES = (
    (
        ("openoutcry.commands.run", "openoutcry.adapters.postgres.readiness", "asyncpg"),
        ("migrate",),
    ),
    (
        (
            "openoutcry.adapters.valkey.readiness",
            "openoutcry.adapters.venue_rest",
            "openoutcry.web.api.role",
        ),
        ("api",),
    ),
    (
        (
            "openoutcry.adapters.valkey.weight",
            "openoutcry.adapters.venue_rest",
            "openoutcry.sandbox.server",
        ),
        ("sandbox",),
    ),
    (
        (
            "openoutcry.adapters.postgres.recent",
            "openoutcry.adapters.valkey.trade_stream",
            "openoutcry.services.announcer",
            "openoutcry.services.backfill",
            "openoutcry.services.discovery",
            "openoutcry.services.feed",
            "openoutcry.services.maintenance",
            "openoutcry.services.outlet",
            "openoutcry.services.recorder",
            "openoutcry.services.repair",
            "openoutcry.services.side_streams",
            "openoutcry.services.trader",
            "openoutcry.venues.binance",
            "openoutcry.web.hub.server",
            "openoutcry.web.hub.sources",
        ),
        ("feed", "recorder", "hub", "trader"),
    ),
)
_PR_SET_NAME = 15
_ARGUMENTS = 47  # where /proc/self/stat says where the command line is, counted from 0


class Line:
    """The supervisor's orders and the roles' ends, one after the other."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._poll = select.poll()
        self._poll.register(supervisor, select.POLLIN)
        self._roles: dict[int, tuple[int, int]] = {}
        self._waiting: list[tuple[Order, int]] = []
        self._ready: set[str] | None = set()

    def ready(self, roles: tuple[str, ...]) -> None:
        """Fork these roles, and later every one, as they are ordered."""
        if self._ready is not None:
            self._ready.update(roles)
        self._serve(0)

    def serve(self) -> None:
        """Fork whatever is ordered, known or not, until the supervisor has gone."""
        self._ready = None
        while True:
            self._serve(None)

    def _serve(self, timeout: int | None) -> None:
        waiting, self._waiting = self._waiting, []
        for order, output in waiting:
            self._start(order, output)
        for descriptor, _ in self._poll.poll(0 if waiting else timeout):
            if descriptor == self._supervisor.fileno():
                self._take()
            else:
                self._bury(descriptor)

    def _take(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._supervisor, LONGEST_MESSAGE, 1)
        if not message:
            raise SystemExit(0)
        self._start(msgspec.json.decode(message, type=Order), descriptors[0])

    def _start(self, order: Order, output: int) -> None:
        if self._ready is not None and order.role not in self._ready:
            self._waiting.append((order, output))
            return
        ask = die_with_parent(signal.SIGKILL)
        pid = os.fork()
        if not pid:
            for descriptor in self._roles:
                os.close(descriptor)
            self._supervisor.close()
            _live(order, output, ask)
        os.close(output)
        watched = os.pidfd_open(pid)
        self._roles[watched] = order.number, pid
        self._poll.register(watched, select.POLLIN)
        self._tell(Notice(order.number, pid))

    def _bury(self, watched: int) -> None:
        number, pid = self._roles.pop(watched)
        self._poll.unregister(watched)
        os.close(watched)
        _, status = os.waitpid(pid, 0)
        self._tell(Notice(number, pid, os.waitstatus_to_exitcode(status)))

    def _tell(self, notice: Notice) -> None:
        try:
            self._supervisor.sendall(msgspec.json.encode(notice))
        except OSError:
            raise SystemExit(0) from None


def main() -> None:
    """Import and serve; the one argument is the descriptor of the supervisor's socket."""
    # "Not installed", to structlog: spares the imports for coloured tracebacks.
    sys.modules["rich"] = None  # type: ignore[assignment]
    _call_ourselves("outcry nursery")
    line = Line(socket.socket(fileno=int(sys.argv[1])))
    gc.disable()
    for modules, roles in STAGES:
        for name in modules:
            import_module(name)
        gc.freeze()  # what is there now stays as it is, in pages that all roles share
        line.ready(roles)
    line.serve()


def _live(order: Order, output: int, ask: Callable[[], None] | None) -> None:
    """Be the role, to its end; never returns."""
    code = 1
    try:
        os.setsid()
        if ask:
            ask()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.environ.update(order.environment)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        sys.argv = ["outcry", "run", order.role]
        _call_ourselves(f"outcry run {order.role}")
        gc.enable()
        code = _run(order.role)
    except BaseException:  # noqa: BLE001 - nothing may go on in the nursery's name
        traceback.print_exc()
    finally:
        logging.shutdown()
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run(role: str) -> int:
    from openoutcry.commands.errors import exit_on_error
    from openoutcry.commands.run import run

    try:
        exit_on_error(lambda: run(role), debug=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _call_ourselves(title: str) -> None:
    """Let `ps` and `top` show what this process is: its short name, and its command line.

    The command line is written where the kernel reads it from, as PostgreSQL does. Where that is
    not allowed, the process keeps the nursery's.
    """
    ctypes.CDLL(None).prctl(_PR_SET_NAME, title.replace(" run", "").encode(), 0, 0, 0)
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as stat:  # noqa: PTH123 - not a path to work with
            fields = stat.read().rpartition(b")")[2].split()
        first, last = (int(fields[_ARGUMENTS - 2 + each]) for each in (0, 1))
        text = title.replace(" ", "\0").encode()[: last - first - 1]
        with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
            memory.seek(first)
            memory.write(text.ljust(last - first, b"\0"))


if __name__ == "__main__":
    main()
