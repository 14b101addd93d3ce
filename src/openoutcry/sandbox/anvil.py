"""Anvil, a development node of Foundry's, as a child process on localhost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from openoutcry.engines import die_with_parent
from openoutcry.errors import EngineError
from openoutcry.sandbox.node import connect

CHAIN_ID: Final = 31_337
INSTALL: Final = (
    "Install Foundry's anvil so that it is on PATH,"
    " or run `npm ci --ignore-scripts` in tests/chain of a checkout."
)

_BLOCK_GAS: Final = 10**10
_POLL_SECONDS: Final = 0.02
_START_SECONDS: Final = 60.0


class Options(Struct, frozen=True):
    """How the node runs.

    `block_seconds`: 0 mines every transaction at once, None only on demand, else a block at such
    intervals. `state`: a file that the chain is kept in when the node stops, and read from when it
    starts; what a `kill` loses is at most `state_seconds` old. `genesis_time`: the first block's (s).
    """

    block_seconds: int | None = 0
    state: Path | None = None
    state_seconds: int = 3600
    genesis_time: int | None = None
    port: int = 0


class Anvil:
    """One node. It keeps its port when it is stopped and started again."""

    def __init__(self, program: Path, options: Options, log: Path) -> None:
        self._program = program
        self._options = options
        self._log = log
        self.port = options.port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers JSON-RPC over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where it answers over WebSocket; the same port."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it and return when it answers. Raises EngineError."""
        if not _is_free(self.port):
            raise EngineError(f"Port {self.port} is taken: the chain needs one of its own.")
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own arguments, no shell
                self._arguments(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C reaches only us
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one system call
            )
        deadline = time.monotonic() + _START_SECONDS
        async with connect(self.url) as node:
            while self.running and time.monotonic() < deadline:
                try:
                    await node.ask("eth_chainId")
                except EngineError:
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    return
        said = self._log.read_text(errors="replace")[-1000:]
        self.kill()
        raise EngineError(f"{self._program} does not start:\n{said}")

    async def stop(self, timeout: float = 30.0) -> None:
        """Ask for a clean end, in which the state is written, and wait for it."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + timeout
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None:
            if self.running:
                self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it hang: connections are taken and nothing is answered. It has stopped on return."""
        self._signal(signal.SIGSTOP)
        while self._process is not None and self.running and not self._stopped(self._process.pid):
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    @staticmethod
    def _stopped(pid: int) -> bool:
        # A signal is on its way for as long as the process is not given a processor.
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None

    def _arguments(self) -> list[str]:
        options = self._options
        arguments = [str(self._program), "--port", str(self.port), "--host", "127.0.0.1"]
        arguments += ["--chain-id", str(CHAIN_ID), "--auto-impersonate", "--silent"]
        # What does not fit a block at once is left lying until somebody sends more: let all of it fit.
        arguments += ["--gas-limit", str(_BLOCK_GAS), "--order", "fifo", "--no-request-size-limit"]
        if options.block_seconds is None:
            arguments.append("--no-mining")
        elif options.block_seconds:
            arguments += ["--block-time", str(options.block_seconds)]
        if options.state is not None:
            arguments += ["--state", str(options.state), "--preserve-historical-states"]
            arguments += ["--state-interval", str(options.state_seconds)]
        if options.genesis_time is not None:
            arguments += ["--timestamp", str(options.genesis_time)]
        return arguments


def find_anvil(*places: Path | str) -> Path:
    """Return the first program that is there: of `places`, then on PATH.

    A place may also be a folder of Node packages. Raises EngineError that says what to install.
    """
    for place in map(Path, places):
        if place.is_file():
            return place
        for found in sorted(place.glob("@foundry-rs/anvil-*/bin/anvil")):
            return found
    if found_on_path := shutil.which("anvil"):
        return Path(found_on_path)
    raise EngineError(f"There is no anvil, the node of the sample chain. {INSTALL}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the node does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
