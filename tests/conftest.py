"""Fixtures: real engines, an empty Valkey and a fresh, migrated database for each test."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
import structlog
from hypothesis import settings
from redis.asyncio import Redis

from openoutcry import engines as engines_module
from openoutcry.adapters.postgres import migrate
from openoutcry.adapters.valkey.client import connect
from openoutcry.engines import Engines
from ports import free_ports

pytest_plugins = ["fixtures_api", "fixtures_chain", "replicakit"]

REPOSITORY = Path(__file__).parent.parent
TEMPLATE = "outcry_template"

T = TypeVar("T")
_numbers = count(1)


def pytest_configure() -> None:
    """Judge no example by the clock: the machine may be busy."""
    settings.register_profile("without a clock", deadline=None)
    settings.load_profile("without a clock")


def pytest_collection_finish() -> None:
    """Let no garbage collection look at all that was imported: that took a seventh of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from a synchronous fixture, leaving pytest's own loop alone."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


async def execute(url: str, *statements: str) -> None:
    """Run statements on a connection of their own, each outside a transaction."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(autouse=True)
def plain_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget how a command has set up its logs: they go to a stream that is closed with it."""
    configure = structlog.configure

    def without_memory(**chosen: Any) -> None:
        configure(**{**chosen, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_memory)
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """PostgreSQL and Valkey for the whole session; a test that kills one may leave it dead."""
    running = run(engines_module.start(temporary=True))
    yield running
    run(running.stop())


@pytest.fixture
def alive(engines: Engines) -> Engines:
    """The session's engines, brought back if the test before killed one."""
    for engine in engines.ours:
        if not engine.running:
            run(engine.start())
    return engines


@pytest.fixture
def valkey_url(alive: Engines) -> str:
    """The URL of an empty Valkey."""

    async def flush() -> None:
        client = connect(alive.valkey_url)
        await client.flushall()
        await client.aclose()

    run(flush())
    return alive.valkey_url


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Valkey."""
    client = connect(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def template(engines: Engines) -> str:
    """The name of a migrated database that nobody is connected to."""
    run(execute(engines.database_url, f"CREATE DATABASE {TEMPLATE}"))
    run(migrate.upgrade(_named(engines.database_url, TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def database_url(alive: Engines, template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database, dropped after the test."""
    name = f"test_{next(_numbers)}"
    # The engines are in memory: copying files is eight times as fast there as writing them to the log.
    copy = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
    run(execute(alive.database_url, copy))
    yield _named(alive.database_url, name)
    if alive.postgres and alive.postgres.running:
        run(execute(alive.database_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool of connections to the test's database."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=8) as opened:
        yield opened


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """One connection to the test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close(timeout=5)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real recordings: `OUTCRY_TEST_DATA`, else `shared/data` beside the checkout."""
    named = os.environ.get("OUTCRY_TEST_DATA")
    places = [Path(named)] if named else [up / "shared" / "data" for up in REPOSITORY.parents[:2]]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"no recordings in {' or '.join(map(str, places))}; set OUTCRY_TEST_DATA")


@pytest.fixture(name="free_ports")
def _free_ports() -> Callable[[int], list[int]]:
    """A function that returns so many TCP ports of localhost that nobody listens on."""
    return free_ports


@pytest.fixture
def free_port() -> int:
    """A TCP port of localhost that nobody listens on."""
    return free_ports(1)[0]


def _named(url: str, database: str) -> str:
    return url.replace("/openoutcry?", f"/{database}?", 1)
