"""The command line: help worth reading, errors in one line, exit codes that mean something."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

COMMANDS = (
    *("up", "run", "import", "gaps", "status", "doctor", "bench", "db upgrade", "db current"),
    *("user add", "user list", "user disable", "user enable", "user password"),
    *("key create", "key list", "key revoke"),
)
SOURCE = Path(__file__).parent.parent / "src"
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("OUTCRY_")}
ENVIRON["PYTHONPATH"] = str(SOURCE)


def outcry(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openoutcry", *words],
        env={**ENVIRON, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's account may pass through."""
    path = Path(tempfile.mkdtemp(prefix="outcry-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    """Every command explains itself with something to copy."""
    found = outcry(*command.split(), "--help")
    assert found.returncode == 0
    assert re.search(rf"^ +(OUTCRY_.*)?outcry {command}\b|\\$", found.stdout, re.MULTILINE)


def test_help_is_quick() -> None:
    """`outcry --help` loads nothing heavy: no driver, no server, no numpy, not even the settings."""
    code = (
        "import sys\n"
        "from openoutcry.cli import main\n"
        "sys.argv = ['outcry', '--help']\n"
        "try:\n    main()\n"
        "finally:\n    print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "recorder" in done.stdout
    loaded = set(done.stderr.split())
    assert "openoutcry.cli" in loaded
    heavy = {"asyncpg", "redis", "numpy", "picows", "aiohttp", "litestar", "granian", "alembic"}
    assert not loaded & (heavy | {"openoutcry.config", "openoutcry.wiring"})


def test_settings_are_quick() -> None:
    """What only reads the settings loads no numpy and no driver."""
    code = "import sys, openoutcry.config as c; c.load(environ={}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "asyncpg", "redis", "aiohttp", "structlog"}


def test_errors_are_one_line() -> None:
    """A mistake is one line on standard error, exit code 2; --debug shows where it came from."""
    found = outcry("up", "--port", "0")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "port" in found.stderr
    assert "Traceback" in outcry("--debug", "up", "--port", "0").stderr


def test_unknown_role_and_option() -> None:
    """Usage errors have exit code 2 and name the choices."""
    found = outcry("run", "poet")
    assert (found.returncode, "recorder" in found.stderr) == (2, True)
    assert outcry("up", "--prot", "1").returncode == 2


def test_store_that_is_away(folder: Path) -> None:
    """A command that needs a store which does not run says so, exit code 1, without a password."""
    found = outcry("status", "--data-dir", str(folder))
    assert found.returncode == 1
    assert "outcry up" in found.stderr
    found = outcry(
        "gaps",
        OUTCRY_DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/x",
        OUTCRY_VALKEY_URL="redis://127.0.0.1:1",
    )
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "hidden" not in found.stderr


def test_schema_commands(folder: Path) -> None:
    """`db` brings the schema up to date on engines that it starts for itself."""
    place = ("--data-dir", str(folder / "data"))
    before = outcry("db", "current", *place)
    assert (before.returncode, before.stdout.startswith("none")) == (1, True)
    assert outcry("db", "upgrade", *place).returncode == 0
    after = outcry("db", "current", *place)
    assert (after.returncode, "newest" in after.stdout) == (0, True)
    assert outcry("gaps", *place).stdout == "No gaps.\n"


def test_taken_port_is_named(folder: Path, free_port: int) -> None:
    """`up` refuses a port in use and says who has it."""
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(free_port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = outcry("doctor", "--data-dir", str(folder), OUTCRY_PORT=str(free_port))
            if "http.server" in found.stdout:
                break
        assert found.returncode == 1
        found = outcry("up", "--data-dir", str(folder), "--port", str(free_port))
        assert found.returncode == 1
        assert f"Port {free_port} is taken by" in found.stderr
        assert "http.server" in found.stderr
    finally:
        server.kill()
        server.wait()


def test_doctor_on_running_engines(valkey_url: str, database_url: str) -> None:
    """With engines that are well, doctor says so for each of the things that matter."""
    found = outcry(
        "doctor",
        OUTCRY_DATABASE_URL=database_url,
        OUTCRY_VALKEY_URL=valkey_url,
        OUTCRY_BINANCE_REST_URL="http://127.0.0.1:1",
    )
    for line in ("Valkey's appendonly: yes", "maxmemory-policy: noeviction", "schema: at 0"):
        assert line in found.stdout
    assert re.search("warning +exchange.*cannot be reached", found.stdout)


@pytest.mark.e2e
def test_up_and_stop(folder: Path, free_ports: Callable[[int], list[int]]) -> None:
    """`outcry up --sandbox` becomes ready, shows up in `status`, and stops on SIGTERM."""
    api, hub, rest, ws = map(str, free_ports(4))
    environ = {**ENVIRON, "OUTCRY_SANDBOX_PORT": rest, "OUTCRY_SANDBOX_WS_PORT": ws}
    place = ("--data-dir", str(folder / "data"))
    command = [sys.executable, "-m", "openoutcry", "up", "--sandbox", *place]
    with subprocess.Popen(
        [*command, "--port", api, "--ws-port", hub],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
    ) as up:
        try:
            said = _until("ready after", up.stdout)
            status = _all_up(place)
            second = outcry("up", "--sandbox", *place, OUTCRY_SANDBOX_PORT=rest)
            up.send_signal(signal.SIGTERM)
            rest_of_it = up.stdout.read() if up.stdout else ""
            assert up.wait(30) == 0, rest_of_it[-2000:]
        finally:
            up.kill()
    assert said[-1].startswith("outcry"), "".join(said[-30:])
    assert status.returncode == 0, status.stdout
    assert json.loads(status.stdout)["streams"]
    assert second.returncode == 1
    assert "stopping the engines" in rest_of_it


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of our death")
def test_killed_supervisor_leaves_nothing(
    folder: Path, free_ports: Callable[[int], list[int]]
) -> None:
    """`outcry up` killed with -9, early or late, takes the nursery, every role and engine along."""
    for wanted in ("OpenOutcry", "ready after"):
        api, hub, rest, ws = map(str, free_ports(4))
        environ = {**ENVIRON, "OUTCRY_SANDBOX_PORT": rest, "OUTCRY_SANDBOX_WS_PORT": ws}
        place = ("--data-dir", str(folder / "data"), "--port", api, "--ws-port", hub)
        with subprocess.Popen(
            [sys.executable, "-m", "openoutcry", "up", "--sandbox", *place],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
        ) as up:
            _until(wanted, up.stdout)
            offspring = psutil.Process(up.pid).children(recursive=True)
            up.kill()
        assert offspring
        _, living = psutil.wait_procs(offspring, timeout=10)
        assert not [each for each in living if each.status() != psutil.STATUS_ZOMBIE]


def _all_up(place: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """Return the status once nothing is down, or the last one after ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        status = outcry("status", "--json", *place)
        if status.returncode == 0 or time.monotonic() > deadline:
            return status


def _until(wanted: str, lines: IO[str] | None) -> list[str]:
    said = []
    for line in lines or []:
        said.append(line)
        if wanted in line:
            break
    return said
