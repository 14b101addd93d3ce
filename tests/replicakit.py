"""A real streaming replica for tests: a base copy of a primary of their own, kept up by its log."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import pytest

from conftest import run
from openoutcry import engines as engines_module
from openoutcry.adapters.postgres import migrate
from openoutcry.engines import Engines, die_with_parent
from openoutcry.engines._process import unprivileged_account

PATIENCE = 60.0


class Standby:
    """A standby of a server of ours, in a folder of its own."""

    def __init__(self, primary_url: str, primary_sockets: Path) -> None:
        programs = Path(engines_module.find_postgres().rsplit(" in ", 1)[1])
        self._programs = programs
        self._primary = primary_sockets
        self.folder = Path(tempfile.mkdtemp(prefix="outcry-standby-"))
        self.folder.chmod(0o711)
        self._data, self._sockets = self.folder / "data", self.folder / "run"
        for each in (self._data, self._sockets):
            each.mkdir(mode=0o700)
        self._account = unprivileged_account()
        if self._account:
            for each in (self._data, self._sockets):
                os.chown(each, self._account.uid, self._account.gid)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = primary_url.split("?", maxsplit=1)[0] + f"?host={quote(str(self._sockets))}"

    def copy(self) -> None:
        """Make the copy (pg_basebackup), ready to follow."""
        self._run(
            *("pg_basebackup", "-h", str(self._primary), "-U", "postgres", "-D", str(self._data)),
            *("-X", "stream", "-R", "--checkpoint=fast", "--no-sync"),
        )

    async def start(self) -> None:
        """Start it, unless it runs, and return once it takes connections."""
        async with asyncio.timeout(PATIENCE):
            while not (self.running and await self._answers()):
                # Right after a kill its children still hold its memory, and a start is refused.
                if not self.running:
                    self._spawn()
                await asyncio.sleep(0.05)

    def _spawn(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv("postgres", "-D", str(self._data), *self._options()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                preexec_fn=die_with_parent(signal.SIGQUIT),  # noqa: PLW1509
                **self._as_account(),
            )

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Kill the server, all of its processes, as a machine that goes away does."""
        if self._process is not None:
            # Its children see that it is gone, and end.
            self._process.kill()
            self._process.wait()

    async def pause(self) -> None:
        """Let it receive, but show nothing new."""
        await self.execute("SELECT pg_wal_replay_pause()")

    async def resume(self) -> None:
        """Let it show what it has received."""
        # What it then shows may need rows gone that this very statement could see: it is cut short.
        with suppress(asyncpg.SerializationError):
            await self.execute("SELECT pg_wal_replay_resume()")

    async def execute(self, statement: str) -> None:
        """Run a statement on a connection of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=5)

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _options(self) -> list[str]:
        said = {
            "unix_socket_directories": self._sockets,
            "listen_addresses": "",
            "hba_file": self._hba(),
            "hot_standby": "on",
            "max_connections": 60,
            "shared_buffers": "32MB",
            "fsync": "off",
            "dynamic_shared_memory_type": "mmap",
            # A question that stands in the way of what is to be replayed is ended at once.
            "max_standby_streaming_delay": "0",
            "wal_receiver_status_interval": "1s",
            "wal_retrieve_retry_interval": "200ms",
        }
        return [part for name, value in said.items() for part in ("-c", f"{name}={value}")]

    def _hba(self) -> Path:
        path = self.folder / "pg_hba.conf"
        path.write_text("local all all trust\n")
        path.chmod(0o644)
        return path

    def _as_account(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}

    def _argv(self, program: str, *arguments: str) -> list[str]:
        return [str(self._programs / program), *arguments]

    def _run(self, *argv: str) -> None:
        done = subprocess.run(
            self._argv(*argv),
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            **self._as_account(),
        )
        assert done.returncode == 0, done.stderr

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url, timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close(timeout=5)
        return True


class Pair:
    """A migrated primary of our own and its standby."""

    def __init__(self, primary: Engines, standby: Standby) -> None:
        self.primary, self.standby = primary, standby

    @property
    def database_url(self) -> str:
        """Where is written to."""
        return self.primary.database_url

    async def caught_up(self) -> None:
        """Return once the standby shows all that the primary has committed."""
        connection = await asyncpg.connect(self.primary.database_url)
        position = await connection.fetchval("SELECT pg_current_wal_flush_lsn()::text")
        await connection.close(timeout=5)
        async with asyncio.timeout(PATIENCE):
            while True:
                standby = await asyncpg.connect(self.standby.url)
                reached = await standby.fetchval(
                    "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position
                )
                await standby.close(timeout=5)
                if reached:
                    return
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def whole_pair() -> Iterator[Pair]:
    """A primary with a standby for a module of tests; each may leave the standby dead or paused."""
    primary = run(engines_module.start(temporary=True))
    standby: Standby | None = None
    try:
        run(migrate.upgrade(primary.database_url))
        assert primary.data_dir is not None
        sockets = Path(_host(primary.database_url))
        standby = Standby(primary.database_url, sockets)
        standby.copy()
        run(standby.start())
        yield Pair(primary, standby)
    finally:
        if standby is not None:
            standby.remove()
        run(primary.stop())


@pytest.fixture
async def pair(whole_pair: Pair) -> Pair:
    """The module's pair, both up, the standby showing all there is."""
    if whole_pair.primary.postgres and not whole_pair.primary.postgres.running:
        await whole_pair.primary.restart_postgres()
    await whole_pair.standby.start()
    await whole_pair.standby.resume()
    await whole_pair.caught_up()
    return whole_pair


def _host(url: str) -> str:
    return parse_qs(urlsplit(url).query)["host"][0]
