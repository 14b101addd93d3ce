"""Child processes that are engines: started, waited for, stopped; and whom they run as."""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from msgspec import Struct

from openoutcry.errors import EngineError

_ACCOUNTS = ("openoutcry", "postgres", "nobody")
_PR_SET_PDEATHSIG = 1
_KEEP_LOG_BYTES = 16 << 20
_POLL_SECONDS = 0.01


class Account(Struct, frozen=True):
    """An unprivileged account that a process of root's is handed to."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return the account that PostgreSQL runs under, or None when we are not root ourselves.

    No account is created: the first of `openoutcry`, `postgres`, `nobody` serves.
    """
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=found.pw_uid, gid=found.pw_gid)
    raise EngineError(
        "PostgreSQL refuses to run as root, and none of the accounts "
        f"{', '.join(_ACCOUNTS)} exists. Create one (useradd --system openoutcry) or run as a user."
    )


def die_with_parent(signum: int) -> Callable[[], None] | None:
    """Return a `preexec_fn` that asks the kernel for `signum` when our process dies.

    Linux only. It cannot help in three cases: the signal is tied to the thread that starts the
    child (so threads other than the main one get None), a child that changes its own user loses it,
    and a whole machine that freezes sends nothing. What it misses, the next start cleans up.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signum)

    return ask


class Command(Struct, frozen=True):
    """What to run and as whom."""

    argv: tuple[str, ...]
    account: Account | None = None

    def popen(
        self, output: IO[bytes] | int, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, so that a terminal's Ctrl-C reaches only us."""
        return subprocess.Popen(  # noqa: S603 - our own arguments, no shell
            self.argv,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            # Nothing of ours leaks in: PGDATA, PGPORT and the like would change what starts.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one system call
        )

    def run(self, feed: str = "") -> tuple[int, str]:
        """Run it to its end with `feed` as its input; return exit code and everything it said."""
        with self.popen(subprocess.PIPE, subprocess.PIPE) as process:
            said, _ = process.communicate(feed.encode())
        return process.returncode, said.decode(errors="replace")


class Engine:
    """One engine's process on its own directory.

    `ready(pid)` says at once whether it serves; `leftover` reads the process id that the engine
    wrote down; `before` is called, in a thread, ahead of a start.
    """

    def __init__(
        self,
        name: str,
        command: Command,
        *,
        directory: Path,
        log: Path,
        ready: Callable[[int], bool],
        stop_signal: int,
        leftover: Callable[[], int | None],
        before: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self.log = log
        self._command = command
        self._ready = ready
        self._stop_signal = stop_signal
        self._leftover = leftover
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process is there; says nothing about its being ready."""
        return self._process is not None and self._process.poll() is None

    async def make_ready(self) -> None:
        """Make what has to be there before the first start; cheap when it is."""
        if self._before:
            await asyncio.to_thread(self._before)

    def spawn(self) -> None:
        """Start the process without waiting for it to serve."""
        if self.log.exists() and self.log.stat().st_size > _KEEP_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._process = self._command.popen(output)

    async def wait_ready(self, timeout: float = 300.0) -> None:
        """Return once the engine serves. Raises EngineError, with the log's end, if it does not.

        An engine that dies while starting gets two more tries: after a `kill -9` the remains of its
        predecessor may need a moment to go.
        """
        deadline = time.monotonic() + timeout
        tries = 3
        while time.monotonic() < deadline:
            if self._process is None:
                raise EngineError(f"{self.name} was not started.")
            if self._process.poll() is not None:
                tries -= 1
                if not tries:
                    raise EngineError(self._complaint(f"does not start ({self._ending()})"))
                await asyncio.sleep(0.5)
                self.spawn()
            elif self._ready(self._process.pid):
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise EngineError(self._complaint(f"is not ready after {timeout:.0f} s"))

    async def start(self) -> None:
        """Start the process and wait until it serves."""
        await self.make_ready()
        self.spawn()
        await self.wait_ready()

    async def stop(self, timeout: float = 30.0) -> None:
        """Ask for a clean end, wait for it, kill what does not obey."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(self._stop_signal)
        deadline = time.monotonic() + timeout
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        self.kill()

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send a signal, SIGKILL unless told otherwise; after SIGKILL the process is gone."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signum)
        if signum == signal.SIGKILL:
            self._process.wait()

    async def stop_leftover(self, timeout: float = 60.0) -> bool:
        """Stop the process of a supervisor that is gone; return whether there was one.

        Only a process whose working directory is this engine's directory is touched: a pid file
        survives a reboot, and its number may belong to anyone by now.
        """
        pid = self._leftover()
        if pid is None or not works_in(pid, self.directory):
            return False
        os.kill(pid, self._stop_signal)
        deadline = time.monotonic() + timeout
        while works_in(pid, self.directory):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _ending(self) -> str:
        code = self._process.returncode if self._process else None
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def _complaint(self, what: str) -> str:
        return f"{self.name} {what}. End of {self.log}:\n{tail(self.log)}"


def works_in(pid: int, directory: Path) -> bool:
    """Return whether a live process has `directory` as its working directory.

    Both engines change to their data directory. A zombie has none, which is right: it is over.
    """
    proc = Path(f"/proc/{pid}/cwd")
    if Path("/proc/self").exists():
        try:
            return proc.readlink() == directory.resolve()
        except OSError:
            return False
    ask = ["lsof", "-a", "-d", "cwd", "-p", str(pid), "-Fn"]  # macOS has no /proc
    found = subprocess.run(ask, capture_output=True, text=True, check=False)  # noqa: S603
    return f"n{directory.resolve()}" in found.stdout.splitlines()


def tail(path: Path, lines: int = 8) -> str:
    """Return the last lines of a text file, indented; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join("  " + line for line in text.splitlines()[-lines:])
