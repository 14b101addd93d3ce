"""Fixtures of the API's tests: a pool as the product opens it, and the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from pwdlib import PasswordHash
from redis.asyncio import Redis

from accounts import quick
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.config import Settings
from openoutcry.web.api.app import create_app

RECOMMENDED = PasswordHash.recommended


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """What argon2 is asked for by default takes a millisecond, not 64 MiB and a quarter of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PasswordHash, "recommended", quick)
        yield


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with the parameters that users get."""
    monkeypatch.setattr(PasswordHash, "recommended", RECOMMENDED)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool whose times are integers, on a fresh database."""
    pool = await open_pool(database_url, application_name="outcry-test")
    yield pool
    await pool.close()


@pytest.fixture
async def api(
    store: asyncpg.Pool, valkey: Redis, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application on real engines, without a dashboard."""
    settings = Settings(allowed_origins=["https://charts.example"], ws_port=8123)
    app = create_app(store, valkey, settings, version="1.2.3", static=tmp_path / "none", ttl=0)
    async with client_of(app) as client:
        yield client


def client_of(app: object) -> httpx.AsyncClient:
    """Return a client that speaks to an ASGI application without a socket."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://api.test")
